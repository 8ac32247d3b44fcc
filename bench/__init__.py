"""Reproducible measurements, each beside its floor: the least that the same work could cost on the same machine.

Figures of a busy machine are worth nothing, ratios of one run are: every measurement therefore runs together with its
floor, on a PostgreSQL of its own that syncs every commit to disk as a production server does.
"""
