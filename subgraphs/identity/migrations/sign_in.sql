-- Tables of sign-in, outside tenancy: they belong to the role mewayz_identity_login (contracts.md, "Sign-in").
-- The app role may name a person in the register and leave them an invitation; it reads nothing of all this.
create schema if not exists sign_in;

create table sign_in.login (
    email text primary key,
    user_id uuid not null unique,
    last_tenant_id uuid
);
comment on table sign_in.login is '@global_table: which person an e-mail address is (IDN-1)';

create table sign_in.credential (
    user_id uuid primary key,
    password_hash text not null,
    changed_at timestamptz not null
);
comment on table sign_in.credential is '@global_table: passwords, argon2id';

create table sign_in.refresh_family (
    id uuid primary key,
    user_id uuid not null,
    tenant_id uuid not null,
    expires_at timestamptz not null,
    ended_at timestamptz
);
create index ix_refresh_family_user_id on sign_in.refresh_family (user_id);
comment on table sign_in.refresh_family is '@global_table: one sign-in on one device, through all its refreshes (IDN-2)';

create table sign_in.refresh_token (
    hash bytea primary key,
    family_id uuid not null references sign_in.refresh_family on delete cascade,
    used_at timestamptz
);
create index ix_refresh_token_family_id on sign_in.refresh_token (family_id);
comment on table sign_in.refresh_token is '@global_table: refresh tokens by SHA-256; each is used once';

create table sign_in.signing_key (
    kid text primary key,
    private bytea not null,
    valid_from timestamptz not null,
    valid_to timestamptz not null
);
comment on table sign_in.signing_key is '@global_table: Ed25519 keys of access tokens';

create table sign_in.one_time_token (
    hash bytea primary key,
    purpose text not null check (purpose in ('invitation', 'reset')),
    user_id uuid not null,
    tenant_id uuid,
    expires_at timestamptz not null,
    used_at timestamptz
);
comment on table sign_in.one_time_token is '@global_table: invitations and password resets by SHA-256';

create table sign_in.letter (
    id uuid primary key,
    email text not null,
    purpose text not null,
    token text not null,
    created_at timestamptz not null,
    sent_at timestamptz
);
comment on table sign_in.letter is '@global_table: mail with a secret, until it is sent';

grant usage on schema sign_in to mewayz_identity_login, mewayz_identity_app;
grant select, insert, update, delete on all tables in schema sign_in to mewayz_identity_login;
grant select (email, user_id), insert (email, user_id) on sign_in.login to mewayz_identity_app;
grant insert on sign_in.one_time_token, sign_in.letter to mewayz_identity_app;

do $$
declare
    name text;
begin
    for name in select tablename from pg_tables where schemaname = 'sign_in' loop
        execute format('alter table sign_in.%I enable row level security', name);
        execute format('alter table sign_in.%I force row level security', name);
        execute format('create policy sign_in on sign_in.%I to mewayz_identity_login using (true)', name);
    end loop;
end
$$;

-- The app role sees the one person whose address it names, and invites into its own tenant only.
create policy named on sign_in.login to mewayz_identity_app
    using (email = nullif(current_setting('app.email', true), ''));
create policy invite on sign_in.one_time_token for insert to mewayz_identity_app
    with check (purpose = 'invitation' and tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy invite on sign_in.letter for insert to mewayz_identity_app
    with check (purpose = 'invitation' and email = nullif(current_setting('app.email', true), ''));

-- Which tenants a person may choose from, and nothing else of them.
grant usage on schema identity to mewayz_identity_login;
grant select (tenant_id, id, slug_name, name) on identity.tenant to mewayz_identity_login;
grant select (tenant_id, id, status) on identity.user_account to mewayz_identity_login;
grant select (tenant_id, user_account_id, status, is_owner, joined_at) on identity.tenant_membership to mewayz_identity_login;
create policy sign_in on identity.tenant for select to mewayz_identity_login using (tenant_id = id);
create policy sign_in on identity.user_account for select to mewayz_identity_login using (true);
create policy sign_in on identity.tenant_membership for select to mewayz_identity_login using (true);
