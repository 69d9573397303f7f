"""The servers the platform stands on: embedded PostgreSQL and NATS, or real ones named by a URL."""
