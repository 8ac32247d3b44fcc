"""Dates of tasks: what they mean in a time zone."""
