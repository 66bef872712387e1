-- sync.db: the log and its projections. One writer connection; readers never write.
--
-- Ids of collections, scopes and clients are local integers: they keep the hot rows short and never leave this file.
-- Hot tables carry no foreign keys: the single writer resolves every id itself, and a look-up per row would cost more
-- than the engine does.

-- Facts about this file: store_id, epoch, server_hlc, horizon_seq, dedupe_rotated_ms.
create table meta (
    k text not null primary key,
    v text not null
) strict, without rowid;

-- Lineage of the store's incarnations. A restore or a fail-over mints a new one, so that a cursor of a lost future is refused.
create table epochs (
    epoch      text    not null primary key constraint epochs_epoch_shape check (length(epoch) = 16),
    parent     text,
    fork_seq   integer not null constraint epochs_fork_seq_positive check (fork_seq >= 0),
    created_ms integer not null,
    reason     text    not null
) strict, without rowid;

create table collections (
    id          integer primary key,
    name        text    not null constraint collections_name_unique unique,
    schema_min  integer not null,
    schema_cur  integer not null,
    priority    text    not null constraint collections_priority_known check (priority in ('critical', 'important', 'normal', 'background')),
    policy      text    not null constraint collections_policy_json check (json_valid(policy)),
    policy_rev  integer not null,
    constraint collections_schema_order check (schema_min <= schema_cur)
) strict;

-- Every revision that ever decided something, so that a decision can be made again.
create table policy_revs (
    collection integer not null,
    rev        integer not null,
    policy     text    not null,
    by         text    not null,
    at_ms      integer not null,
    primary key (collection, rev)
) strict, without rowid;

create table scopes (
    id   integer primary key,
    name text    not null constraint scopes_name_unique unique
) strict;

create table clients (
    id              integer primary key,
    client_id       text    not null constraint clients_client_id_unique unique,
    principal       text    not null,
    platform        text,
    app_version     text,
    schema_version  integer,
    scopes          text    not null constraint clients_scopes_json check (json_valid(scopes)),
    simulated       integer not null default 0 constraint clients_simulated_flag check (simulated in (0, 1)),
    blocked         integer not null default 0 constraint clients_blocked_flag check (blocked in (0, 1)),
    created_ms      integer not null
) strict;

-- APPEND-ONLY. The truth. `autoincrement` is required: without it, pruning the log to empty would hand out old numbers again.
create table changes (
    seq            integer primary key autoincrement,
    collection     integer not null,
    record_id      text    not null,
    scope          integer not null,
    op             integer not null constraint changes_op_known check (op between 1 and 12), -- 1 create 2 update 3 put 4 delete 12 genesis
    version        integer not null,
    prev_seq       integer not null default 0,   -- the record's change before this one; history is this chain
    hlc            integer not null,             -- effective clock: 48 bits of milliseconds, 16 bits of counter
    hlc_node       text    not null default '',
    hlc_claimed    text,                         -- as the device wrote it, when it is not the effective one
    client         integer not null,
    operation_id   text    not null,
    schema_version integer not null,
    policy_rev     integer not null,
    decision       integer not null constraint changes_decision_known check (decision in (0, 1, 2)), -- 0 system 1 applied 2 merged
    changed        text,                         -- JSON array: names of the fields it touched; null on a full image
    fields         text,                         -- canonical JSON: the full post-image; null on a tombstone. The only copy of the body
    committed_ms   integer not null,
    digest         blob    not null constraint changes_digest_length check (length(digest) = 32),
    chain          blob    not null constraint changes_chain_length check (length(chain) = 32)
) strict;
-- The feed reads each scope by its own range and merges in Rust; `scope in (…) order by seq` would sort all matches.
create index changes_by_scope on changes (scope, seq);

create trigger changes_never_updated before update on changes
begin select raise(abort, 'changes is append-only'); end;
create trigger changes_never_deleted before delete on changes
when old.seq > coalesce((select cast(v as integer) from meta where k = 'horizon_seq'), 0)
begin select raise(abort, 'changes is append-only above the horizon'); end;

-- Time to position, one row a second.
create table time_index (
    second integer primary key,
    seq    integer not null
) strict;

-- PROJECTIONS: rebuildable from the log.

-- Slim on purpose: the body is `changes.fields` at last_seq.
create table records (
    collection        integer not null,
    record_id         text    not null,
    scope             integer not null,
    version           integer not null,
    last_seq          integer not null,
    hlc               integer not null,
    hlc_node          text    not null default '',
    deleted           integer not null default 0 constraint records_deleted_flag check (deleted in (0, 1)),
    conflicted        integer not null default 0 constraint records_conflicted_flag check (conflicted in (0, 1)),
    last_client       integer not null,
    last_operation_id text    not null,
    content_hash      blob    not null constraint records_content_hash_length check (length(content_hash) = 32),
    primary key (collection, record_id)
) strict, without rowid;
-- The chasing scan walks this. Unique, because one position touches one record.
create unique index records_by_scope_seq on records (scope, last_seq);

-- State digest per scope and collection: the sum of 64-bit hashes of its live records, modulo 2^64.
create table scope_digest (
    scope      integer not null,
    collection integer not null,
    rows       integer not null,
    digest     integer not null,
    primary key (scope, collection)
) strict, without rowid;

-- DEDUPE: two generations; look-ups probe both, the older one is dropped when the younger is half a window old.
create table dedupe (
    client     integer not null,
    idem_key   text    not null,
    digest     blob    not null constraint dedupe_digest_length check (length(digest) = 32),
    status     integer not null constraint dedupe_status_known check (status between 1 and 5), -- 1 applied 2 merged 3 superseded 4 conflict 5 rejected
    seq        integer,
    version    integer,
    result     text,                             -- JSON: what the columns do not say of the answer
    client_seq integer,
    at_ms      integer not null,
    primary key (client, idem_key)
) strict, without rowid;

create table dedupe_prev (
    client     integer not null,
    idem_key   text    not null,
    digest     blob    not null constraint dedupe_digest_length check (length(digest) = 32),
    status     integer not null constraint dedupe_status_known check (status between 1 and 5),
    seq        integer,
    version    integer,
    result     text,
    client_seq integer,
    at_ms      integer not null,
    primary key (client, idem_key)
) strict, without rowid;

-- CONFLICTS and DEAD LETTERS: append-only except for the state columns.

create table conflicts (
    id           integer primary key,
    collection   integer not null,
    record_id    text    not null,
    scope        integer not null,
    seq          integer not null,               -- the change that stands
    kind         integer not null constraint conflicts_kind_known check (kind between 1 and 5), -- 1 superseded 2 overwritten 3 merged 4 delete 5 review
    policy_rev   integer not null,
    inputs       text    not null,               -- JSON: clocks and rule, to decide it again
    base         text,
    local        text    not null,               -- the device's value
    server       text    not null,               -- the store's value
    client       integer not null,
    operation_id text    not null,
    state        integer not null default 0 constraint conflicts_state_known check (state in (0, 1)), -- 0 open 1 closed
    resolution   text,
    resolved_by  text,
    resolved_seq integer,
    created_ms   integer not null
) strict;
create index conflicts_open on conflicts (scope, id) where state = 0;
create index conflicts_by_record on conflicts (collection, record_id);
create index conflicts_by_operation on conflicts (operation_id);

create table dead_letters (
    id           integer primary key,
    client       integer not null,
    operation_id text    not null,
    code         text    not null,
    mutation     text    not null,
    state        integer not null default 0 constraint dead_letters_state_known check (state in (0, 1)), -- 0 open 1 closed
    at_ms        integer not null,
    constraint dead_letters_once unique (client, operation_id)
) strict;
create index dead_letters_by_operation on dead_letters (operation_id);

-- What people and the console did. Chained, so that a removed row shows.
create table audit_events (
    id       integer primary key autoincrement,
    at_ms    integer not null,
    actor    text    not null,
    action   text    not null,
    subject  text,
    before   text,
    after    text,
    trace_id text,
    chain    blob    not null constraint audit_events_chain_length check (length(chain) = 32)
) strict;
create index audit_events_by_actor on audit_events (actor, id);
create index audit_events_by_action on audit_events (action, id);
create index audit_events_by_subject on audit_events (subject, id);

create trigger audit_events_never_updated before update on audit_events
begin select raise(abort, 'audit_events is append-only'); end;
create trigger audit_events_never_deleted before delete on audit_events
begin select raise(abort, 'audit_events is append-only'); end;
create trigger policy_revs_never_updated before update on policy_revs
begin select raise(abort, 'policy_revs is append-only'); end;
create trigger policy_revs_never_deleted before delete on policy_revs
begin select raise(abort, 'policy_revs is append-only'); end;
create trigger epochs_never_updated before update on epochs
begin select raise(abort, 'epochs is append-only'); end;
create trigger epochs_never_deleted before delete on epochs
begin select raise(abort, 'epochs is append-only'); end;
