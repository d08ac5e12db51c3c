-- What several accounts of a vendor belong to: Meta tells of a business account's templates, not of a number's.
alter table vendor_accounts add column holder text;
create index vendor_accounts_by_holder on vendor_accounts (provider, holder) where holder is not null;
-- The owner sees the rows of companies that are named, as everybody does.
select set_config('app.company_ids',
    (select coalesce(array_agg(distinct company_id), '{}')::text from vendor_accounts), true);
update vendor_accounts v set holder = c.settings::json ->> 'business_account_id' from connections c
    where c.company_id = v.company_id and c.id = v.connection_id and v.provider = 'whatsapp';
select set_config('app.company_ids', '', true);
