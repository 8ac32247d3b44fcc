"""Enrollments, progress and the Content Actions Log in the API."""
