-- Who looks at a company's pages. A row begins as a one-time link and becomes a session when that link is opened.
create table sessions (
    company_id blob not null,
    id blob not null,
    link_hash blob not null,
    -- null until the link is opened
    hash blob,
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
    framed integer not null,
    created_at integer not null,
    used_at integer not null,
    -- the link's end until it is opened, the session's from then on
    expires_at integer not null,
    primary key (company_id, id),
    unique (company_id, link_hash)
) strict, without rowid;
create unique index sessions_by_hash on sessions (company_id, hash) where hash is not null;

-- Who did what, when and from where. Rows are added and never changed; each holds the hash of the one before it, so
-- that a change in between shows (`santral audit verify`).
create table audit_log (
    company_id blob not null,
    seq integer not null,
    at integer not null,
    actor text not null,
    actor_name text not null,
    role text not null,
    address text not null,
    action text not null,
    target text not null,
    hash blob not null,
    primary key (company_id, seq)
) strict, without rowid;
