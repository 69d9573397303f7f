-- Sign-ins that went to a tenant's provider and have yet to come back.
create table sign_in.oidc_flow (
    state_hash bytea primary key,
    tenant_id uuid not null,
    nonce text not null,
    verifier text not null,
    browser_hash bytea not null,
    return_to text,
    expires_at timestamptz not null
);
create index ix_oidc_flow_expires_at on sign_in.oidc_flow (expires_at);
comment on table sign_in.oidc_flow is '@global_table: sign-ins at a provider, by SHA-256 of their state';
grant select, insert, delete on sign_in.oidc_flow to mewayz_identity_login;
alter table sign_in.oidc_flow enable row level security;
alter table sign_in.oidc_flow force row level security;
create policy sign_in on sign_in.oidc_flow to mewayz_identity_login using (true);
