"""Emails on their way: rows, hand-over, and what became of them."""
