-- A job that has stopped holds back what no device has fetched of it: whether it does is written with its state.
alter table drain_jobs add column holds integer not null default 0 constraint drain_jobs_holds_flag check (holds in (0, 1));
