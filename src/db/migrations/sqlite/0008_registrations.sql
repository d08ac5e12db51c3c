-- Connections whose vendor was told to call us, with what it called before where somebody knew: it is told that again
-- when the connection goes.
create table registrations (
    company_id blob not null,
    connection_id blob not null,
    -- the addresses from before, sealed
    previous blob,
    begun_at integer not null,
    -- null until the vendor has said that it is done
    confirmed_at integer,
    primary key (company_id, connection_id)
) strict, without rowid;
