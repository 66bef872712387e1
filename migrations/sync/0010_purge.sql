-- Purging: what was given up longer ago than retention says loses its payload, after that was written to a file.

-- Runs: each is one file and one audit row. At most one is open.
create table purges (
    id          integer primary key autoincrement,
    state       integer not null default 0 constraint purges_state_known check (state between 0 and 3), -- 0 writes its file 1 removes what is in it 2 done 3 stopped
    actor       text    not null,
    reason      text,                            -- of a person
    request_id  text    not null,
    rule        text    not null constraint purges_rule_json check (json_valid(rule)), -- days of retention by state
    created_ms  integer not null,                -- what was due by then
    entries     integer not null default 0,      -- in its file
    removed     integer not null default 0,      -- of them, without their payload now; the others have changed since
    file        text,                            -- under the folder of the store
    file_bytes  integer,                         -- as it is on the disk
    bytes       integer,                         -- of its rows
    sha256      text,                            -- of its rows, hex
    from_ms     integer,                         -- given up at, the first and the last of them
    to_ms       integer,
    finished_ms integer,
    detail      text,                            -- why it was stopped
    constraint purges_removed_range check (removed between 0 and entries)
) strict;
create unique index purges_open on purges (state < 2) where state < 2;

-- Of an entry: the run that removed its payload. What is left says which record it was about.
alter table dead_letters add column purge integer;
create index dead_letters_due on dead_letters (state, changed_ms) where state in (4, 5) and purge is null;
create index dead_letters_purged on dead_letters (purge) where purge is not null;
