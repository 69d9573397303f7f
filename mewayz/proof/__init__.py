"""The isolation proof: two tenants with mirrored data, every path tried from one to the other, every wall taken away once."""
