"""A module's face: entities, connections, filters, loaders and the marks that ask for them."""
