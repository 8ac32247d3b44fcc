"""People, and the places where they belong."""
