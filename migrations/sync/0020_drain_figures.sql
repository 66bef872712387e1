-- What pages of a job count and list: entries of one reason, what an undo would still find where the job has put it, and what is under way
-- by the command that tells of it.
create index drain_items_by_code on drain_items (set_id, outcome, coalesce(code, ''), n) where outcome in (3, 4);
create index drain_items_sent on drain_items (set_id, command, behind) where outcome = 1;
create index dead_letters_of_job on dead_letters (job, state, purge) where job is not null and state in (2, 3, 4, 5) and purge is null;
