"""Giving a whole audience a mandatory task."""
