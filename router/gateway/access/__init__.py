"""Who may come in, and which modules may be gone to."""
