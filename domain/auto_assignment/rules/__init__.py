"""Rules as people write them: validated, stored, edited, deleted, listed."""
