"""Background jobs: rows that say what is to be done and how far it is."""
