"""Reminders: planned, given out once, and listed in a ledger."""
