"""What somebody must complete by when, again and again, and when they are reminded of it."""
