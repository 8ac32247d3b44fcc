"""Connections, statements and migrations: SQL as the way to lists, batches and rule work."""
