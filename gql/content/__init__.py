"""Courses and learning paths in the API."""
