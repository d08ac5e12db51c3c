-- While set, what a company sends stays here instead of going to the vendor.
alter table companies add column test_mode bigint not null default 0;

-- Whoever signs in to the console. There is one at most.
create table operators (
    id uuid primary key,
    name text not null,
    -- argon2id, in the PHC string format
    password text not null,
    created_at bigint not null,
    updated_at bigint not null
);

-- One-time links by which a person becomes the operator.
create table operator_links (
    hash bytea primary key,
    created_at bigint not null,
    expires_at bigint not null
);

-- Attempts to sign in that have not succeeded, by account and by address; both are stored as hashes.
create table sign_in_attempts (
    key bytea primary key,
    attempts bigint not null,
    at bigint not null,
    -- nothing is tried before
    blocked_until bigint not null
);
