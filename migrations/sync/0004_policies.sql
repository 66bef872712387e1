-- What conflict policies keep: beside a change, beside a record, beside a device; the same thing recorded twice; branches.

-- JSON: rank of the writer, fields that carry the stamp of this row, the id under which the same thing was recorded again. Null
-- for policies that need none of it; the digest of a row covers it when it is there.
alter table changes add column detail text;
-- JSON: what the details of a record's rows add up to. Null for policies that need nothing.
alter table records add column meta text;

-- Role of a device, for guards and for higher_role_wins. Given by staff.
alter table clients add column role text;
alter table clients add column role_rank integer not null default 0;

-- PROJECTIONS: rebuildable from the log.

-- The first record of a thing. Only anchors are here: "within one second" is no equivalence, so it is no bucket either.
create table natural_keys (
    collection integer not null,
    exact_hash blob    not null constraint natural_keys_hash_length check (length(exact_hash) = 32),
    tol_value  integer not null,
    seq        integer not null,
    record_id  text    not null,
    primary key (collection, exact_hash, tol_value, seq)
) strict, without rowid;

-- Other ids of records: the same thing was recorded under them.
create table aliases (
    collection integer not null,
    alias_id   text    not null,
    record_id  text    not null,
    primary key (collection, alias_id)
) strict, without rowid;

-- More kinds, and the name of a branch: the table is built anew, since a check cannot grow.
create table conflicts_grown (
    id           integer primary key,
    collection   integer not null,
    record_id    text    not null,
    scope        integer not null,
    seq          integer not null,               -- the change that stands
    kind         integer not null constraint conflicts_kind_known check (kind between 1 and 8), -- 1 superseded 2 overwritten 3 merged 4 delete 5 review 6 branch 7 approval 8 duplicate
    policy_rev   integer not null,
    inputs       text    not null,               -- JSON: clocks, ranks and rule, to decide it again
    base         text,
    local        text    not null,               -- the device's value; of a branch its whole body
    server       text    not null,               -- the store's value
    client       integer not null,
    operation_id text    not null,
    state        integer not null default 0 constraint conflicts_state_known check (state in (0, 1)), -- 0 open 1 closed
    resolution   text,
    resolved_by  text,
    resolved_seq integer,
    branch       text,                           -- of kind 6, e.g. 7b beside version 7
    created_ms   integer not null
) strict;
insert into conflicts_grown (id, collection, record_id, scope, seq, kind, policy_rev, inputs, base, local, server, client,
    operation_id, state, resolution, resolved_by, resolved_seq, created_ms)
select id, collection, record_id, scope, seq, kind, policy_rev, inputs, base, local, server, client,
    operation_id, state, resolution, resolved_by, resolved_seq, created_ms from conflicts;
drop table conflicts;
alter table conflicts_grown rename to conflicts;
create index conflicts_open on conflicts (scope, id) where state = 0;
create index conflicts_by_record on conflicts (collection, record_id);
create index conflicts_by_operation on conflicts (operation_id);
