"""Identity: tenants, people, roles, keys and sign-in; the only issuer of access tokens (tier1.md, 13)."""

from shared.module import Module
from subgraphs.identity import demo, events, handlers, models, privacy, state
from subgraphs.identity.graph import commands, keys, mfa, providers, roles, tenants, types
from subgraphs.identity.sign_in import purge, routes, standing
from subgraphs.identity.sign_in.oidc import routes as oidc

module = Module(
    "identity",
    name="Identity & Tenancy",
    area="Platform & Security",
    parts=(
        events,
        models,
        types,
        tenants,
        commands,
        keys,
        mfa,
        providers,
        roles,
        handlers,
        state,
        privacy,
        purge,
        routes,
        oidc,
        standing,
        demo,
    ),
    extra_roles=("identity_login",),
)
