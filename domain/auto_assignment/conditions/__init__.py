"""Conditions of rules, and the atoms and masks that they become."""
