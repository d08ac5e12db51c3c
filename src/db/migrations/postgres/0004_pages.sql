-- Who looks at a company's pages. A row begins as a one-time link and becomes a session when that link is opened.
create table sessions (
    company_id uuid not null,
    id uuid not null,
    link_hash bytea not null,
    -- null until the link is opened
    hash bytea,
    -- as the CRM knows its user
    user_id text not null,
    user_name text not null,
    -- 'admin', 'member' or 'developer'
    role text not null,
    email text,
    phone text,
    locale text not null,
    return_url text,
    -- opened inside a page of the CRM
    framed bigint not null,
    created_at bigint not null,
    used_at bigint not null,
    -- the link's end until it is opened, the session's from then on
    expires_at bigint not null,
    primary key (company_id, id),
    unique (company_id, link_hash)
);
create unique index sessions_by_hash on sessions (company_id, hash) where hash is not null;

-- Who did what, when and from where. Rows are added and never changed; each holds the hash of the one before it, so
-- that a change in between shows (`santral audit verify`).
create table audit_log (
    company_id uuid not null,
    seq bigint not null,
    at bigint not null,
    actor text not null,
    actor_name text not null,
    role text not null,
    address text not null,
    action text not null,
    target text not null,
    hash bytea not null,
    primary key (company_id, seq)
);
