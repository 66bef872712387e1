-- Items of jobs that are long over roll to files: what became of each entry is written to one, which is read back and named on the job,
-- and only then do the rows go.
alter table drain_jobs add column rolled integer not null default 0 constraint drain_jobs_rolled_known check (rolled between 0 and 3); -- 0 its items are here 1 they are in its file and go 2 they are gone 3 some are gone, and its file is not the one that was written
alter table drain_jobs add column rolled_ms integer;         -- named at
alter table drain_jobs add column rolled_file text;          -- under the folder of the store
alter table drain_jobs add column rolled_rows integer;       -- in it, one an item
alter table drain_jobs add column rolled_sha256 text;        -- of its rows, hex
create index drain_jobs_ended on drain_jobs (finished_ms, id) where finished_ms is not null and rolled = 0;
create index drain_jobs_rolling on drain_jobs (id) where rolled = 1;

-- What pages of a job count from its items, as it was when they rolled: reasons, and what was settled in each second.
create table drain_figures (
    job     integer primary key,
    figures text    not null constraint drain_figures_json check (json_valid(figures))
) strict;
