"""Sign-in: what answers without a tenant. Its tables lie in schema `sign_in` and belong to one database role alone."""
