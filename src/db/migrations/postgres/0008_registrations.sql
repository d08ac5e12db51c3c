-- Connections whose vendor was told to call us, with what it called before where somebody knew: it is told that again
-- when the connection goes.
create table registrations (
    company_id uuid not null,
    connection_id uuid not null,
    -- the addresses from before, sealed
    previous bytea,
    begun_at bigint not null,
    -- null until the vendor has said that it is done
    confirmed_at bigint,
    primary key (company_id, connection_id)
);
