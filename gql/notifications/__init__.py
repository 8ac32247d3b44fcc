"""Notifications, preferences and email templates in the API."""
