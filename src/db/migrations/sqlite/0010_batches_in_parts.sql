-- A batch is stored in parts before it is accepted; one whose parts nobody goes on with is found by its lapsed lease.
create index tasks_storing on tasks (lease_until) where state = 'storing';
