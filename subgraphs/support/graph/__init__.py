"""Support's GraphQL face: types, reports, commands; thin, they call models."""
