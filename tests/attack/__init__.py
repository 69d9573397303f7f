"""Others' tools against a running platform: `./justw attack` (security.md, F)."""
