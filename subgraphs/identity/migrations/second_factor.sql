-- The second factor of a person (IDN-5), and what ended before its access tokens did (security.md, threat 18).
create table sign_in.second_factor (
    user_id uuid primary key,
    secret text not null,
    confirmed_at timestamptz,
    last_step bigint not null default 0
);
comment on table sign_in.second_factor is '@global_table: secrets of authenticators; a code counts once';

create table sign_in.recovery_code (
    user_id uuid not null references sign_in.second_factor on delete cascade,
    hash bytea not null,
    used_at timestamptz,
    primary key (user_id, hash)
);
comment on table sign_in.recovery_code is '@global_table: recovery codes by SHA-256; each is used once';

create table sign_in.revocation (
    tenant_id uuid not null,
    subject_id uuid not null,
    is_final boolean not null,
    at timestamptz not null
);
create index ix_revocation_at on sign_in.revocation (at);
comment on table sign_in.revocation is '@global_table: sessions, keys, members and tenants whose access tokens no longer count';

alter table sign_in.one_time_token drop constraint one_time_token_purpose_check;
alter table sign_in.one_time_token add constraint one_time_token_purpose_check
    check (purpose in ('invitation', 'reset', 'mfa'));
alter table sign_in.refresh_family add column vouched boolean not null default false;

grant select, insert, update, delete on sign_in.second_factor, sign_in.recovery_code, sign_in.revocation
    to mewayz_identity_login;
grant select, insert, update, delete on sign_in.second_factor, sign_in.recovery_code to mewayz_identity_app;
grant insert on sign_in.revocation to mewayz_identity_app;

do $$
declare
    name text;
begin
    foreach name in array array['second_factor', 'recovery_code', 'revocation'] loop
        execute format('alter table sign_in.%I enable row level security', name);
        execute format('alter table sign_in.%I force row level security', name);
        execute format('create policy sign_in on sign_in.%I to mewayz_identity_login using (true)', name);
    end loop;
end
$$;

-- The app role sees the factor of the one person whom it names, and revokes in its own tenant only.
create policy named on sign_in.second_factor to mewayz_identity_app
    using (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
create policy named on sign_in.recovery_code to mewayz_identity_app
    using (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
create policy own on sign_in.revocation for insert to mewayz_identity_app
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
