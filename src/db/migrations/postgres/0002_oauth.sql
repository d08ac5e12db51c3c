-- Grants: what an account has allowed an app at an identity provider. Several connections may stand on one. Its tokens
-- are the credential of the same id.
create table grants (
    company_id uuid not null,
    credential_id uuid not null,
    idp text not null,
    -- the app it was given to, and whether that is the company's own
    client_id text not null,
    own_app bigint not null,
    -- the account's lasting name at the idp, what people call it, and its owner's name
    subject text not null,
    label text not null,
    name text,
    -- separated by spaces
    scopes text not null,
    -- when the access token ends, and when the next one is to be fetched
    expires_at bigint not null,
    refresh_at bigint not null,
    -- how often in a row it could not be
    tries bigint not null,
    -- why it gives no tokens until somebody consents again; null while it lives
    dead text,
    -- who fetches the next token, and until when nobody else may
    lease_owner uuid,
    lease_until bigint,
    granted_at bigint not null,
    primary key (company_id, credential_id),
    unique (company_id, idp, client_id, subject)
);
create index grants_due on grants (company_id, refresh_at);

-- Consents under way, and one-time links that begin one. Only hashes of their tokens are kept.
create table oauth_flows (
    company_id uuid not null,
    hash bytea not null,
    -- 'ticket' or 'state'
    kind text not null,
    idp text not null,
    -- what is to be connected, as JSON
    wish text not null,
    client_id text,
    own_app bigint not null,
    -- hash of the cookie of the browser that began
    binding bytea,
    expires_at bigint not null,
    used_at bigint,
    primary key (company_id, hash)
);

-- A company's own app at an identity provider.
create table oauth_apps (
    company_id uuid not null,
    idp text not null,
    id uuid not null,
    client_id text not null,
    secret bytea not null,
    updated_at bigint not null,
    primary key (company_id, idp)
);

-- Which grants stand on the same account of the same app, across companies: revoking one would end them all. Both
-- columns are keyed hashes and tell no one anything.
create table grant_holders (
    account bytea not null,
    holder bytea not null,
    primary key (account, holder)
);
