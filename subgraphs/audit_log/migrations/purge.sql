-- The purge's own role (AUD-1): it alone deletes records, in the tenant it works in, and writes nothing but what tells of it.
grant usage on schema audit_log, kit to mewayz_audit_log_purge;
grant select, insert, delete on audit_log.audit_record, audit_log.audit_origin to mewayz_audit_log_purge;
grant select, insert on audit_log.audit_purge, audit_log.audit_tamper to mewayz_audit_log_purge;
grant select on audit_log.audit_seal, audit_log.retention_rule, kit.tenant to mewayz_audit_log_purge;
grant select, insert, update on kit.outbox_key, kit.schedule to mewayz_audit_log_purge;
grant insert on kit.outbox to mewayz_audit_log_purge;
grant select, update (fence) on kit.consumer_lease to mewayz_audit_log_purge;

do $$
declare
    name text;
begin
    foreach name in array array['audit_log.audit_record', 'audit_log.audit_origin', 'audit_log.audit_purge',
        'audit_log.audit_tamper', 'audit_log.audit_seal', 'audit_log.retention_rule',
        'kit.tenant', 'kit.outbox_key', 'kit.outbox', 'kit.schedule']
    loop
        execute format('alter table %s enable row level security', name);
        execute format('alter table %s force row level security', name);
        execute format(
            'create policy purge on %s to mewayz_audit_log_purge using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
            name);
    end loop;
end
$$;

-- The last word is the database's: nothing unsealed goes, nothing under a hold, and nothing while a fault waits for somebody.
create policy purge_only_sealed on audit_log.audit_record as restrictive for delete to mewayz_audit_log_purge using (
    sequence <= (select max(last_sequence) from audit_log.audit_seal)
    and not exists (select from audit_log.retention_rule where legal_hold and active)
    and not exists (select from audit_log.audit_tamper where acknowledged_at is null)
);
