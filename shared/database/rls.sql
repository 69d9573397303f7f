-- Rights and row-level security, run by the owner role after each migration. :module is the slug. Every statement may be repeated.
do $$
declare
    module text := ':module';
    app text := 'mewayz_:module_app';
    relay text := 'mewayz_:module_relay';
    entry record;
begin
    execute format('grant usage on schema %I, kit to %I', module, app);
    execute format('grant usage on schema kit to %I', relay);
    execute format('grant select, insert, update, delete on all tables in schema %I to %I', module, app);
    execute format('grant select on kit.tenant to %I', app);
    execute format('grant select, insert, update on kit.outbox_key, kit.inbox_key, kit.schedule to %I', app);
    execute format('grant insert on kit.outbox, kit.inbox_skipped to %I', app);
    execute format('grant select, insert, delete on kit.inbox_parked to %I', app);
    execute format('grant select, insert on kit.idempotency, kit.erased to %I', app);
    execute format('grant select, update (fence) on kit.consumer_lease to %I', app);
    execute format('grant select, insert, update, delete on kit.tenant, kit.consumer_lease to %I', relay);
    execute format('grant select on kit.inbox_key, kit.inbox_parked, kit.inbox_skipped to %I', relay);
    execute format('grant select, delete on kit.outbox to %I', relay);
    execute format('grant select, insert, update, delete on kit.outbox_sent to %I', relay);
    execute format('grant select on kit.schedule to %I', relay);
    execute format('grant select (created_at, key), delete on kit.idempotency to %I', relay);

    for entry in
        select c.oid as id, c.oid::regclass as name, n.nspname as schema
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in (module, 'kit') and c.relkind in ('r', 'p')
          and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
          and coalesce(obj_description(c.oid, 'pg_class'), '') not like '%@global_table%'
    loop
        execute format('alter table %s enable row level security', entry.name);
        execute format('alter table %s force row level security', entry.name);
        execute format('drop policy if exists tenant on %s', entry.name);
        execute format(
            'create policy tenant on %s to %I using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
            entry.name, app);
        if obj_description(entry.id, 'pg_class') like '%@append_only%' then
            execute format('revoke update, delete, truncate on %s from %I', entry.name, app);
        end if;
        if entry.schema = 'kit' then
            execute format('drop policy if exists relay on %s', entry.name);
            execute format('create policy relay on %s to %I using (true)', entry.name, relay);
        end if;
    end loop;
end
$$;
