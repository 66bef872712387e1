-- Prebuilt snapshots: the state of one scope at one position, in immutable files in the folder `snapshots` beside this one. A row is
-- written once its files are on the disk, and goes before they do. All of it can be made again from the log.

create table snapshots (
    id          text    not null primary key,
    epoch       text    not null constraint snapshots_epoch_shape check (length(epoch) = 16),
    scope       integer not null,
    collections text    not null constraint snapshots_collections_json check (json_valid(collections)), -- only these, sorted; empty means all
    at_seq      integer not null,                -- the state at this position
    steps_rev   integer not null,                -- sum of the policy revisions of its collections that have steps between schemas
    rows        integer not null,
    bytes       integer not null,                -- of all parts
    sha256      blob    not null constraint snapshots_hash_length check (length(sha256) = 32), -- of the parts, one behind the other
    created_ms  integer not null
) strict, without rowid;

-- The files of a snapshot. The name of each is its digest.
create table snapshot_parts (
    snapshot  text    not null,
    n         integer not null,                  -- 1, 2, …
    rows      integer not null,
    bytes     integer not null,
    raw_bytes integer not null,                  -- decompressed
    sha256    blob    not null constraint snapshot_parts_hash_length check (length(sha256) = 32),
    primary key (snapshot, n)
) strict, without rowid;
