-- What several accounts of a vendor belong to: Meta tells of a business account's templates, not of a number's.
alter table vendor_accounts add column holder text;
create index vendor_accounts_by_holder on vendor_accounts (provider, holder) where holder is not null;
update vendor_accounts set holder = (
    select json_extract(c.settings, '$.business_account_id') from connections c
    where c.company_id = vendor_accounts.company_id and c.id = vendor_accounts.connection_id)
where provider = 'whatsapp';
