"""The change feed: what has changed in a tenant, in an order that misses nothing, and the streams that read it."""
