-- Who agreed to what and who refused. Every statement is kept and the latest counts; it is proof, so it outlives the
-- erasure of a person.
create table consents (
    company_id blob not null,
    id blob not null,
    recipient text not null,
    channel text not null,
    -- 'granted' or 'refused'
    status text not null,
    source text not null,
    -- when the statement was made, and when it was written down here
    given_at integer not null,
    recorded_at integer not null,
    primary key (company_id, id)
) strict, without rowid;
create unique index consents_by_recipient on consents (company_id, recipient, channel, given_at);

-- What a company has decided for a channel; without a row the usual holds.
create table limits (
    company_id blob not null,
    channel text not null,
    daily integer,
    -- the emergency stop
    stopped_at integer,
    primary key (company_id, channel)
) strict, without rowid;

-- How many messages counted against a day's limit; days are the company's own, as in 20261124.
create table channel_days (
    company_id blob not null,
    channel text not null,
    day integer not null,
    used integer not null,
    primary key (company_id, channel, day)
) strict, without rowid;

-- When commercial messages wait, in minutes of the company's day.
create table quiet_hours (
    company_id blob not null,
    from_minute integer not null,
    until_minute integer not null,
    primary key (company_id)
) strict, without rowid;

-- Which delivery a vendor's id stands for. Several recipients may share one.
create table vendor_messages (
    company_id blob not null,
    connection_id blob not null,
    vendor_id text not null,
    recipient text not null,
    delivery_id blob not null,
    sent_at integer not null,
    primary key (company_id, connection_id, vendor_id, recipient)
) strict, without rowid;
create index vendor_messages_by_recipient on vendor_messages (company_id, recipient, sent_at);
create index vendor_messages_by_time on vendor_messages (company_id, sent_at);

-- Receipts of messages that are not known: a vendor can be faster than our own commit.
create table early_receipts (
    company_id blob not null,
    id blob not null,
    connection_id blob not null,
    vendor_id text not null,
    -- the status as JSON
    status text not null,
    received_at integer not null,
    primary key (company_id, id)
) strict, without rowid;
create index early_receipts_by_message on early_receipts (company_id, connection_id, vendor_id);
create index early_receipts_by_time on early_receipts (company_id, received_at);

-- What people wrote to the company, by the vendor's id, so that a repeat changes nothing. No content.
create table inbound_messages (
    company_id blob not null,
    connection_id blob not null,
    vendor_id text not null,
    received_at integer not null,
    primary key (company_id, connection_id, vendor_id)
) strict, without rowid;
create index inbound_messages_by_time on inbound_messages (company_id, received_at);

-- When a person last wrote: for a day after that they can be answered freely on WhatsApp.
create table conversations (
    company_id blob not null,
    recipient text not null,
    connection_id blob not null,
    last_inbound_at integer not null,
    primary key (company_id, recipient, connection_id)
) strict, without rowid;

-- Deliveries of which each goes out only if none before it arrived.
create table chains (
    company_id blob not null,
    id blob not null,
    first_id blob not null,
    position integer not null,
    primary key (company_id, id)
) strict, without rowid;
create index chains_by_first on chains (company_id, first_id, position);

-- The deliveries of one bulk request.
create table batch_members (
    company_id blob not null,
    batch_id blob not null,
    id blob not null,
    primary key (company_id, batch_id, id)
) strict, without rowid;

-- Which connections a vendor's account is: some vendors call one address for all the companies of an app.
create table vendor_accounts (
    company_id blob not null,
    connection_id blob not null,
    provider text not null,
    account text not null,
    primary key (company_id, connection_id)
) strict, without rowid;
create index vendor_accounts_by_account on vendor_accounts (provider, account);

-- Connections whose account is nearly empty, so that it is told once and not at every look.
create table low_balances (
    company_id blob not null,
    connection_id blob not null,
    told_at integer not null,
    primary key (company_id, connection_id)
) strict, without rowid;
