"""How Mandate is run: the `mandate` command, its process supervisor and its private servers.

May import every other part; nothing imports `ops`.
"""
