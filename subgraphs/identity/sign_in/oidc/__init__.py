"""Sign-in at a tenant's own OpenID Connect provider: authorization code with PKCE, state and nonce."""
