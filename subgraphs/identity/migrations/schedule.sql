-- Sign-in's role notes when it last forgot what was over, under the lease of the module's process.
grant usage on schema kit to mewayz_identity_login;
grant select, insert, update on kit.schedule to mewayz_identity_login;
grant select, update (fence) on kit.consumer_lease to mewayz_identity_login;
alter table kit.schedule enable row level security;
alter table kit.schedule force row level security;
create policy sign_in on kit.schedule to mewayz_identity_login
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
