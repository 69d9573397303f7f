"""HR's face: types, commands and reports, thin over models."""
