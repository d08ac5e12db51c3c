-- Times are microseconds since the Unix epoch; JSON is text, never looked into by SQL (docs/adr/0002).

create table master_keys (
    id text primary key,
    check_value bytea not null,
    created_at bigint not null
);

create table companies (
    id uuid primary key,
    external_id text unique,
    name text not null,
    locale text not null,
    timezone text not null,
    -- 'active', 'erasing', or 'platform' for the row that stands for no company (nil id)
    status text not null,
    notice_email text,
    -- grows with every change of anything the company has configured
    version bigint not null,
    -- the company's data key, wrapped by a master key; gone once the company is erased
    data_key bytea,
    -- the one that wraps it; a master key that is still needed cannot be removed
    master_key text references master_keys (id),
    created_at bigint not null,
    updated_at bigint not null
);

create table platform_keys (
    id uuid primary key,
    name text not null,
    hash bytea not null unique,
    hint text not null,
    created_at bigint not null,
    last_used_at bigint
);

create table nodes (
    id uuid primary key,
    role text not null,
    version text not null,
    started_at bigint not null,
    lease_until bigint not null
);

create table api_keys (
    company_id uuid not null,
    id uuid not null,
    name text not null,
    hash bytea not null,
    hint text not null,
    created_at bigint not null,
    last_used_at bigint,
    primary key (company_id, id),
    unique (company_id, hash)
);

create table credentials (
    company_id uuid not null,
    id uuid not null,
    secret bytea not null,
    version bigint not null,
    updated_at bigint not null,
    primary key (company_id, id)
);

create table connections (
    company_id uuid not null,
    id uuid not null,
    provider text not null,
    label text not null,
    account text,
    status text not null,
    reason text,
    detail text,
    settings text not null,
    credential_id uuid not null,
    connected_at bigint not null,
    last_ok_at bigint,
    last_error_at bigint,
    checked_at bigint,
    primary key (company_id, id),
    unique (company_id, provider, label)
);

create table channel_defaults (
    company_id uuid not null,
    channel text not null,
    connection_id uuid,
    fallback_id uuid,
    primary key (company_id, channel)
);

create table templates (
    company_id uuid not null,
    id uuid not null,
    name text not null,
    subject text,
    body_text text,
    body_html text,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (company_id, id),
    unique (company_id, name)
);

create table automations (
    company_id uuid not null,
    id uuid not null,
    name text not null,
    enabled bigint not null,
    trigger_type text not null,
    definition text not null,
    -- what may be wrong with it although it was saved: JSON, in both languages
    warnings text not null,
    preset text,
    -- made from a preset while these channels had no connection: switched off until somebody saves it
    paused_channels text,
    -- what a person is working on: the definition as it is to be, perhaps not yet right; JSON
    draft text,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (company_id, id)
);

-- The CRM's ears: per company, or for all under the nil company.
create table webhooks (
    company_id uuid not null,
    id uuid not null,
    url text not null,
    types text not null,
    secret bytea not null,
    status text not null,
    reason text,
    created_at bigint not null,
    primary key (company_id, id)
);

create table events (
    company_id uuid not null,
    id uuid not null,
    source text not null,
    source_id text not null,
    type text not null,
    subject text,
    received_at bigint not null,
    -- the ids of the deliveries it led to, for the same answer to the same event
    deliveries text not null,
    -- the CloudEvent as it came; null once retention has pruned it
    body text,
    primary key (company_id, id),
    unique (company_id, source, source_id)
);

create table deliveries (
    company_id uuid not null,
    id uuid not null,
    -- 'sending' is never stored: it is a delivery whose job is under way
    state text not null,
    reason text,
    origin text not null,
    operation text not null,
    channel text,
    provider text,
    connection_id uuid,
    recipient text,
    subject text,
    automation_id uuid,
    event_id uuid,
    created_at bigint not null,
    due_at bigint not null,
    finished_at bigint,
    attempts text not null,
    receipts text not null default '[]',
    output text,
    -- the operation to carry out, or what it is to be rendered from; null once retention has pruned it
    payload text,
    primary key (company_id, id)
);
create index deliveries_by_recipient on deliveries (company_id, recipient, id) where recipient is not null;
create index deliveries_by_subject on deliveries (company_id, subject, id) where subject is not null;
create index deliveries_to_look_at on deliveries (company_id, state, id)
    where state in ('failed', 'unknown', 'cancelled', 'skipped');

-- What is still to be done. A delivery has a job until it needs no more work.
create table jobs (
    id uuid primary key,
    company_id uuid not null,
    -- the lane: a connection, a webhook endpoint, or nil where none is chosen yet
    lane uuid not null,
    due_at bigint not null,
    -- the node that has it, and how often it changed hands: who does not know the epoch may not touch it
    owner uuid,
    epoch bigint not null,
    -- 0 waiting, 1 claimed, 2 sending
    phase bigint not null,
    attempt bigint not null,
    -- a node takes only payloads it knows
    payload_version bigint not null,
    -- set on timed deliveries, which later events of the same subject may move or cancel
    subject text
);
create index jobs_by_lane on jobs (company_id, lane, due_at, id) where owner is null;
create index jobs_by_due on jobs (due_at) where owner is null;
create index jobs_by_subject on jobs (company_id, subject) where subject is not null;

create table idempotency_keys (
    company_id uuid not null,
    key text not null,
    body_hash bytea not null,
    delivery_id uuid not null,
    expires_at bigint not null,
    primary key (company_id, key)
);
create index idempotency_keys_by_expiry on idempotency_keys (company_id, expires_at);

create table blobs (
    company_id uuid not null,
    id uuid not null,
    delivery_id uuid not null,
    content bytea not null,
    created_at bigint not null,
    primary key (company_id, id)
);
create index blobs_by_delivery on blobs (company_id, delivery_id);

-- Background work with progress. The system scope sees it as it sees jobs, so params name filters, never content.
create table tasks (
    company_id uuid not null,
    id uuid not null,
    kind text not null,
    state text not null,
    params text not null,
    position text,
    total bigint,
    done bigint not null,
    failed bigint not null,
    detail text,
    created_at bigint not null,
    finished_at bigint,
    -- the node that carries it out, and until when nobody else may
    owner uuid,
    lease_until bigint,
    primary key (company_id, id)
);
create index tasks_running on tasks (lease_until, id) where state = 'running';

-- How far retention has walked a company's rows, in the order of their ids.
create table retention (
    company_id uuid not null,
    events_to uuid not null,
    deliveries_to uuid not null,
    notices_to uuid not null,
    primary key (company_id)
);

-- Deliveries that retention passed by because they were not over for long enough.
create table retention_later (
    company_id uuid not null,
    id uuid not null,
    primary key (company_id, id)
);
