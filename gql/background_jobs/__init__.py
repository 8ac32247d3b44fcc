"""Background jobs: how far work outside the request is."""
