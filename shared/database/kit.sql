-- The kit's own tables in every module's database. Run by the owner role at each migration; every statement may be repeated.
create schema if not exists kit;

create table if not exists kit.tenant (
    tenant_id uuid primary key,
    slug text not null,
    name text not null,
    time_zone text not null,
    base_currency text not null,
    locale text not null,
    state text not null,
    region text
);
alter table kit.tenant add column if not exists region text;

-- The last sequence of each aggregate: its row lock is what keeps an aggregate's events in order.
create table if not exists kit.outbox_key (
    tenant_id uuid not null,
    key text not null,
    sequence bigint not null,
    primary key (tenant_id, key)
) with (fillfactor = 70);

create table if not exists kit.outbox (
    id bigint generated always as identity primary key,
    tenant_id uuid not null,
    event_id uuid not null,
    type text not null,
    envelope jsonb not null,
    created_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

-- Published events, kept so that a damaged stream can be filled again (events.md, H1).
create table if not exists kit.outbox_sent (
    id bigint primary key,
    tenant_id uuid not null,
    event_id uuid not null,
    type text not null,
    envelope jsonb not null,
    created_at timestamptz not null,
    sent_at timestamptz not null default clock_timestamp(),
    stream_sequence bigint
);
alter table kit.outbox_sent add column if not exists stream_sequence bigint;
-- For a tenant's restore alone: events that were sent get numbers among the others'.
alter table kit.outbox_sent alter column id set default nextval('kit.outbox_id_seq');
create index if not exists outbox_sent_event on kit.outbox_sent (event_id);

-- One row an aggregate, not one an event: nothing to clean up, duplicates are known for ever.
create table if not exists kit.inbox_key (
    tenant_id uuid not null,
    key text not null,
    last_sequence bigint not null,
    parked boolean not null default false,
    moved_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, key)
) with (fillfactor = 70);
alter table kit.inbox_key add column if not exists moved_at timestamptz not null default clock_timestamp();

create table if not exists kit.inbox_parked (
    id bigint generated always as identity primary key,
    tenant_id uuid not null,
    key text not null,
    sequence bigint not null,
    event_id uuid not null,
    type text not null,
    body bytea not null,
    error text,
    attempts int not null,
    parked_at timestamptz not null default clock_timestamp(),
    unique (tenant_id, key, sequence)
);

-- What an operator dropped, kept for ever with the reason.
create table if not exists kit.inbox_skipped (
    id bigint generated always as identity primary key,
    tenant_id uuid not null,
    key text not null,
    sequence bigint not null,
    event_id uuid not null,
    type text not null,
    body bytea not null,
    reason text not null,
    skipped_at timestamptz not null default clock_timestamp()
);

-- @global_table: which process may apply events. Its primary key is updated at a take-over, which waits for running effects.
create table if not exists kit.consumer_lease (
    consumer text not null,
    epoch bigint not null,
    fence int not null default 0,
    primary key (consumer, epoch)
);
comment on table kit.consumer_lease is '@global_table';
-- Messages that the stream took by then are delivered again (`events rebuild`): effects outside the platform are left out.
alter table kit.consumer_lease add column if not exists replayed_until timestamptz;

-- When each scheduled work was last due and done.
create table if not exists kit.schedule (
    tenant_id uuid not null,
    name text not null,
    done_at timestamptz not null,
    primary key (tenant_id, name)
);

create table if not exists kit.idempotency (
    tenant_id uuid not null,
    actor text not null,
    command text not null,
    key text not null,
    input_hash text not null,
    answer jsonb not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, actor, command, key)
);

-- Rows of persons who were erased, of which the law keeps something here: nobody is told of them any more.
create table if not exists kit.erased (
    tenant_id uuid not null,
    row_id uuid not null,
    primary key (tenant_id, row_id)
);
