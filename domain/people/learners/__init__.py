"""People: what they are, how they change, who sees them."""
