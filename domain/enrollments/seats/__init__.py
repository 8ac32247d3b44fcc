"""Seats, waitlists, purchases and access days: how people enroll of their own will."""
