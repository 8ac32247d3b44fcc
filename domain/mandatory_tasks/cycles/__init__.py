"""Cycles of repeated tasks: completed, planned, opened."""
