"""Journeys across modules, through the real router, real processes, NATS and PostgreSQL (catalogue, stories.md)."""
