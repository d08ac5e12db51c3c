-- While set, what a company sends stays here instead of going to the vendor.
alter table companies add column test_mode integer not null default 0;

-- Whoever signs in to the console. There is one at most.
create table operators (
    id blob primary key,
    name text not null,
    -- argon2id, in the PHC string format
    password text not null,
    created_at integer not null,
    updated_at integer not null
) strict, without rowid;

-- One-time links by which a person becomes the operator.
create table operator_links (
    hash blob primary key,
    created_at integer not null,
    expires_at integer not null
) strict, without rowid;

-- Attempts to sign in that have not succeeded, by account and by address; both are stored as hashes.
create table sign_in_attempts (
    key blob primary key,
    attempts integer not null,
    at integer not null,
    -- nothing is tried before
    blocked_until integer not null
) strict, without rowid;
