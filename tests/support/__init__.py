"""What tests lean on: servers, rows made quickly, and a client of the API."""
