"""Mandatory tasks: who has to complete what by when, again and again if need be, and how they are reminded of it."""
