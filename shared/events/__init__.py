"""What happens between commits: the relay sends events out, the consumer takes them in."""
