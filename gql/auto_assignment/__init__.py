"""Auto Assignment rules in the API."""
