"""What commits together: rows under row-level security, the outbox, the inbox."""
