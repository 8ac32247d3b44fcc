"""Mandatory tasks, as the API shows them."""
