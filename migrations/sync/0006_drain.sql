-- Draining: the archive of payloads, frozen sets with their items, jobs, and the journal of what became of entries. All of it is here
-- and not beside the mirror, so that the state of an entry, the outcome of its item, the command to its device and its audit row are
-- one transaction.

-- The archive: one row per intent whose payload is here and that was not applied. The payload is never changed. The table is built
-- anew, since a check cannot grow.
create table dead_letters_grown (
    id               integer primary key,
    client           integer not null,
    operation_id     text    not null,
    code             text    not null,               -- why it was refused
    detail           text,                           -- the same in words, as far as it is known
    mutation         text    not null,               -- the intent as it came
    origin           integer not null default 0 constraint dead_letters_origin_known check (origin between 0 and 3), -- 0 refused here 1 reported 2 uploaded 3 escrowed
    state            integer not null default 0 constraint dead_letters_state_known check (state between 0 and 7), -- 0 poisoned 1 done 2 held 3 skipped 4 quarantined 5 discarded 6 escrowed 7 superseded
    home             integer not null default 0 constraint dead_letters_home_known check (home in (0, 6)), -- state that it is restored to
    passes           integer not null default 0 constraint dead_letters_passes_flag check (passes in (0, 1)), -- what depends on it goes on without it
    reason           text,                           -- why it is in its state, when a person has put it there
    actor            text,                           -- who that was
    job              integer,                        -- by which job
    successor        text,                           -- operation that took its place
    at_ms            integer not null,               -- here since
    changed_ms       integer not null,               -- in its state since
    restore_until_ms integer,                        -- can be put back until
    constraint dead_letters_once unique (client, operation_id)
) strict;
insert into dead_letters_grown (id, client, operation_id, code, mutation, state, at_ms, changed_ms)
select id, client, operation_id, code, mutation, state, at_ms, at_ms from dead_letters;
drop table dead_letters;
alter table dead_letters_grown rename to dead_letters;
create index dead_letters_by_operation on dead_letters (operation_id);
create index dead_letters_by_state on dead_letters (state, changed_ms);

-- Frozen sets: what a drain is about, before and after it is submitted. Members are never added or removed once it is frozen.
create table drain_sets (
    id              integer primary key autoincrement,
    action          text    not null,
    dependants      text    not null,
    patch           text    constraint drain_sets_patch_json check (patch is null or json_valid(patch)),
    selection       text    not null constraint drain_sets_selection_json check (json_valid(selection)),
    frozen          integer not null default 0 constraint drain_sets_frozen_flag check (frozen in (0, 1)), -- 0 while members are written
    hash            text    not null default '',     -- SHA-256 over the sorted members, hex
    entries         integer not null default 0,
    devices         integer not null default 0,
    summary         text    not null default '{}' constraint drain_sets_summary_json check (json_valid(summary)), -- the dry run, as the preview shows it
    idempotency_key text    not null,                -- of the form that submits it
    created_by      text    not null,
    created_ms      integer not null,
    expires_ms      integer not null                 -- gone after this unless it is submitted
) strict;
create index drain_sets_by_end on drain_sets (expires_ms);

-- Members of frozen sets, by device and then by age, with what became of each.
create table drain_items (
    set_id       integer not null,
    n            integer not null,
    client       integer not null,
    operation_id text    not null,
    letter       integer,                            -- its row of the archive, when its payload was here when the set was frozen
    behind       integer not null default 0 constraint drain_items_behind_flag check (behind in (0, 1)), -- it waits behind a selected one
    outcome      integer not null default 0 constraint drain_items_outcome_known check (outcome between 0 and 4), -- 0 waiting 1 sent 2 ok 3 skipped 4 failed
    open         integer not null default 0 constraint drain_items_open_flag check (open in (0, 1)), -- a job has it and is not through with it
    code         text,
    detail       text,
    command      text,                               -- the command that tells its device
    at_ms        integer,                            -- outcome since
    primary key (set_id, n)
) strict, without rowid;
-- An entry is in one open job only.
create unique index drain_items_open on drain_items (client, operation_id) where open = 1;
create index drain_items_rest on drain_items (set_id, outcome, n) where outcome in (1, 3, 4);
create index drain_items_by_command on drain_items (command, n) where command is not null;

-- Jobs: one submission of one frozen set.
create table drain_jobs (
    id               integer primary key autoincrement,
    set_id           integer not null constraint drain_jobs_set_unique unique,
    idempotency_key  text    not null constraint drain_jobs_key_unique unique,
    state            integer not null constraint drain_jobs_state_known check (state between 0 and 7), -- 0 requested 1 canary 2 running 3 paused 4 done 5 cancelled 6 refused 7 undone
    created_by       text    not null,               -- who every audit row of it names, whoever resumes it
    request_id       text    not null,
    created_ms       integer not null,
    reason           text    not null,
    approved_by      text,
    approve_until_ms integer,
    canary           integer not null,
    canary_until_ms  integer,                        -- without outcomes by then it pauses
    canary_done      integer not null default 0 constraint drain_jobs_canary_flag check (canary_done in (0, 1)),
    rate_per_s       integer,
    stop_percent     integer not null,
    claimed_n        integer not null default 0,     -- items up to here are this job's
    next_n           integer not null default 0,     -- items up to here have been begun
    waiting          integer not null,
    sent             integer not null default 0,
    ok               integer not null default 0,
    skipped          integer not null default 0,
    failed           integer not null default 0,
    recent           text    not null default '',    -- the last outcomes, newest last: o ok, f failed
    finished_ms      integer,
    restore_until_ms integer,
    undo_n           integer,                        -- items up to here have been taken back
    acknowledged_by  text,
    acknowledged_ms  integer,
    constraint drain_jobs_tally_positive check (min(waiting, sent, ok, skipped, failed) >= 0)
) strict;
create index drain_jobs_open on drain_jobs (id) where finished_ms is null;

-- What happened to jobs.
create table drain_events (
    id     integer primary key autoincrement,
    job    integer not null,
    at_ms  integer not null,
    state  integer not null,
    actor  text    not null,
    detail text
) strict;
create index drain_events_by_job on drain_events (job, id);

-- Items that came to an end, by minute.
create table drain_minutes (
    job     integer not null,
    minute  integer not null,                        -- minutes since 1970
    settled integer not null,
    primary key (job, minute)
) strict, without rowid;

-- The journal that the mirror follows: what became of entries, in order. Append-only.
create table entry_events (
    id           integer primary key autoincrement,
    client       integer not null,
    operation_id text    not null,
    state        integer constraint entry_events_state_known check (state between 0 and 10), -- as the mirror counts states; null leaves it as it was
    pending      text,                               -- the action that is on its way to the device, from here on; null for none
    job          integer,
    command      text,
    at_ms        integer not null,
    detail       text
) strict;
create trigger entry_events_never_updated before update on entry_events
begin select raise(abort, 'entry_events is append-only'); end;
create trigger entry_events_never_deleted before delete on entry_events
begin select raise(abort, 'entry_events is append-only'); end;
