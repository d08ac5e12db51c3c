-- Rows that grow (events, deliveries, blobs) live in rowid tables: appended together, whoever they belong to.
-- Times are microseconds since the Unix epoch; JSON is text, never looked into by SQL (docs/adr/0002).

create table master_keys (
    id text primary key,
    check_value blob not null,
    created_at integer not null
) strict, without rowid;

create table companies (
    id blob primary key,
    external_id text unique,
    name text not null,
    locale text not null,
    timezone text not null,
    -- 'active', 'erasing', or 'platform' for the row that stands for no company (nil id)
    status text not null,
    notice_email text,
    -- grows with every change of anything the company has configured
    version integer not null,
    -- the company's data key, wrapped by a master key; gone once the company is erased
    data_key blob,
    -- the one that wraps it; a master key that is still needed cannot be removed
    master_key text references master_keys (id),
    created_at integer not null,
    updated_at integer not null
) strict, without rowid;

create table platform_keys (
    id blob primary key,
    name text not null,
    hash blob not null unique,
    hint text not null,
    created_at integer not null,
    last_used_at integer
) strict, without rowid;

create table nodes (
    id blob primary key,
    role text not null,
    version text not null,
    started_at integer not null,
    lease_until integer not null
) strict, without rowid;

create table api_keys (
    company_id blob not null,
    id blob not null,
    name text not null,
    hash blob not null,
    hint text not null,
    created_at integer not null,
    last_used_at integer,
    primary key (company_id, id),
    unique (company_id, hash)
) strict, without rowid;

create table credentials (
    company_id blob not null,
    id blob not null,
    secret blob not null,
    version integer not null,
    updated_at integer not null,
    primary key (company_id, id)
) strict, without rowid;

create table connections (
    company_id blob not null,
    id blob not null,
    provider text not null,
    label text not null,
    account text,
    status text not null,
    reason text,
    detail text,
    settings text not null,
    credential_id blob not null,
    connected_at integer not null,
    last_ok_at integer,
    last_error_at integer,
    checked_at integer,
    primary key (company_id, id),
    unique (company_id, provider, label)
) strict, without rowid;

create table channel_defaults (
    company_id blob not null,
    channel text not null,
    connection_id blob,
    fallback_id blob,
    primary key (company_id, channel)
) strict, without rowid;

create table templates (
    company_id blob not null,
    id blob not null,
    name text not null,
    subject text,
    body_text text,
    body_html text,
    created_at integer not null,
    updated_at integer not null,
    primary key (company_id, id),
    unique (company_id, name)
) strict, without rowid;

create table automations (
    company_id blob not null,
    id blob not null,
    name text not null,
    enabled integer not null,
    trigger_type text not null,
    definition text not null,
    -- what may be wrong with it although it was saved: JSON, in both languages
    warnings text not null,
    preset text,
    -- made from a preset while these channels had no connection: switched off until somebody saves it
    paused_channels text,
    -- what a person is working on: the definition as it is to be, perhaps not yet right; JSON
    draft text,
    created_at integer not null,
    updated_at integer not null,
    primary key (company_id, id)
) strict, without rowid;

-- The CRM's ears: per company, or for all under the nil company.
create table webhooks (
    company_id blob not null,
    id blob not null,
    url text not null,
    types text not null,
    secret blob not null,
    status text not null,
    reason text,
    created_at integer not null,
    primary key (company_id, id)
) strict, without rowid;

create table events (
    company_id blob not null,
    id blob not null,
    source text not null,
    source_id text not null,
    type text not null,
    subject text,
    received_at integer not null,
    -- the ids of the deliveries it led to, for the same answer to the same event
    deliveries text not null,
    -- the CloudEvent as it came; null once retention has pruned it
    body text,
    primary key (company_id, id),
    unique (company_id, source, source_id)
) strict;

create table deliveries (
    company_id blob not null,
    id blob not null,
    -- 'sending' is never stored: it is a delivery whose job is under way
    state text not null,
    reason text,
    origin text not null,
    operation text not null,
    channel text,
    provider text,
    connection_id blob,
    recipient text,
    subject text,
    automation_id blob,
    event_id blob,
    created_at integer not null,
    due_at integer not null,
    finished_at integer,
    attempts text not null,
    receipts text not null default '[]',
    output text,
    -- the operation to carry out, or what it is to be rendered from; null once retention has pruned it
    payload text,
    primary key (company_id, id)
) strict;
create index deliveries_by_recipient on deliveries (company_id, recipient, id) where recipient is not null;
create index deliveries_by_subject on deliveries (company_id, subject, id) where subject is not null;
create index deliveries_to_look_at on deliveries (company_id, state, id)
    where state in ('failed', 'unknown', 'cancelled', 'skipped');

-- What is still to be done. A delivery has a job until it needs no more work.
create table jobs (
    id blob primary key,
    company_id blob not null,
    -- the lane: a connection, a webhook endpoint, or nil where none is chosen yet
    lane blob not null,
    due_at integer not null,
    -- the node that has it, and how often it changed hands: who does not know the epoch may not touch it
    owner blob,
    epoch integer not null,
    -- 0 waiting, 1 claimed, 2 sending
    phase integer not null,
    attempt integer not null,
    -- a node takes only payloads it knows
    payload_version integer not null,
    -- set on timed deliveries, which later events of the same subject may move or cancel
    subject text
) strict, without rowid;
create index jobs_by_lane on jobs (company_id, lane, due_at, id) where owner is null;
create index jobs_by_due on jobs (due_at) where owner is null;
create index jobs_by_subject on jobs (company_id, subject) where subject is not null;

create table idempotency_keys (
    company_id blob not null,
    key text not null,
    body_hash blob not null,
    delivery_id blob not null,
    expires_at integer not null,
    primary key (company_id, key)
) strict, without rowid;
create index idempotency_keys_by_expiry on idempotency_keys (company_id, expires_at);

create table blobs (
    company_id blob not null,
    id blob not null,
    delivery_id blob not null,
    content blob not null,
    created_at integer not null,
    primary key (company_id, id)
) strict;
create index blobs_by_delivery on blobs (company_id, delivery_id);

-- Background work with progress. The system scope sees it as it sees jobs, so params name filters, never content.
create table tasks (
    company_id blob not null,
    id blob not null,
    kind text not null,
    state text not null,
    params text not null,
    position text,
    total integer,
    done integer not null,
    failed integer not null,
    detail text,
    created_at integer not null,
    finished_at integer,
    -- the node that carries it out, and until when nobody else may
    owner blob,
    lease_until integer,
    primary key (company_id, id)
) strict, without rowid;
create index tasks_running on tasks (lease_until, id) where state = 'running';

-- How far retention has walked a company's rows, in the order of their ids.
create table retention (
    company_id blob not null,
    events_to blob not null,
    deliveries_to blob not null,
    notices_to blob not null,
    primary key (company_id)
) strict, without rowid;

-- Deliveries that retention passed by because they were not over for long enough.
create table retention_later (
    company_id blob not null,
    id blob not null,
    primary key (company_id, id)
) strict, without rowid;
