"""Live streams: over real sockets, from whichever process wrote."""
