"""The command line and the one-machine runtime: supervisor, embedded PostgreSQL and NATS, demo data."""
