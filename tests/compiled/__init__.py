"""Selections that run as functions compiled from them."""
