-- What a device has not been told yet: an entry is decided here, and its device keeps its own copy, and what waits behind it, until it hears
-- of that. A row is written with the outcome of the item and its command; it goes with the word of the device.
create table untold (
    client       integer not null,
    operation_id text    not null,
    job          integer not null,                   -- the job that has decided it
    n            integer not null,                   -- its place in the set of that job
    word         text    not null,                   -- what its device is to do
    command      text    not null,                   -- the last command that says so
    since_ms     integer not null,                   -- decided at
    times        integer not null default 0,         -- so often it was said again
    again_ms     integer,                            -- to be said again from here on; null while its command is open
    primary key (client, operation_id)
) strict, without rowid;
create index untold_due on untold (client, again_ms) where again_ms is not null;
create index untold_by_job on untold (job);
-- Of what was decided before: commands that are open, that ended without the word of their device, or that it has refused in part.
with told as materialized (
    select c.id, c.state, c.changed_ms, cast(e.value ->> 'operation_id' as text) as operation_id, e.value ->> 'action' as word,
        c.state = 3 and not exists (
            select 1 from json_each(c.result, '$.entries') r
            where r.value ->> 'operation_id' = e.value ->> 'operation_id' and r.value ->> 'outcome' = 'refused') as heard
    from commands c cross join json_each(c.args, '$.entries') e where c.kind = 0 and c.job is not null)
insert into untold (client, operation_id, job, n, word, command, since_ms, again_ms)
select i.client, i.operation_id, j.id, i.n, t.word, t.id, i.at_ms, iif(t.state < 3, null, t.changed_ms)
from drain_jobs j
cross join drain_items i on i.set_id = j.set_id and i.outcome = 2 and i.command is not null
cross join dead_letters d on d.client = i.client and d.operation_id = i.operation_id and d.job = j.id and d.origin <> 3
cross join told t on t.id = i.command and t.operation_id = i.operation_id and t.heard = 0;
