"""Private servers: PostgreSQL and Valkey, started from their wheels."""
