//! What a release after this one would do to the schema: expand it, so that both can be seen at work side by side.

use crate::db::Migration;

pub(super) static EXPANSION: Migration = Migration {
    version: 1_000_000,
    name: "the release after this one",
    sqlite: "alter table deliveries add column of_next_release text;
             alter table jobs add column of_next_release integer not null default 0;
             create table next_release (company_id blob not null, id blob primary key) strict;
             create index jobs_next_release on jobs (of_next_release) where of_next_release > 0;",
    postgres: "alter table deliveries add column of_next_release text;
               alter table jobs add column of_next_release bigint not null default 0;
               create table next_release (company_id uuid not null, id uuid primary key);
               create index jobs_next_release on jobs (of_next_release) where of_next_release > 0;",
};
