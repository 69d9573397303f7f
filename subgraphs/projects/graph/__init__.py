"""Projects' GraphQL face: types, commands, reports; thin, they call models."""
