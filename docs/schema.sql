-- The whole schema, as all migrations leave it. Written by a test; change the migrations, not this file.

-- sync.db

CREATE TABLE aliases (
    collection integer not null,
    alias_id   text    not null,
    record_id  text    not null,
    primary key (collection, alias_id)
) strict, without rowid;

CREATE TABLE audit_events (
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

CREATE TRIGGER audit_events_never_deleted before delete on audit_events
begin select raise(abort, 'audit_events is append-only'); end;

CREATE TRIGGER audit_events_never_updated before update on audit_events
begin select raise(abort, 'audit_events is append-only'); end;

CREATE TABLE changes (
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
, detail text) strict;

CREATE INDEX changes_by_operation on changes (operation_id);

CREATE INDEX changes_by_scope on changes (scope, seq);

CREATE INDEX changes_ctl on changes (scope, seq) where op > 5;

CREATE TRIGGER changes_never_deleted before delete on changes
when old.seq > coalesce((select cast(v as integer) from meta where k = 'horizon_seq'), 0)
begin select raise(abort, 'changes is append-only above the horizon'); end;

CREATE TRIGGER changes_never_updated before update on changes
begin select raise(abort, 'changes is append-only'); end;

CREATE TABLE clients (
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
, last_client_seq integer not null default 0, ack_floor integer not null default 0, public_key blob, role text, role_rank integer not null default 0) strict;

CREATE TABLE collections (
    id          integer primary key,
    name        text    not null constraint collections_name_unique unique,
    schema_min  integer not null,
    schema_cur  integer not null,
    priority    text    not null constraint collections_priority_known check (priority in ('critical', 'important', 'normal', 'background')),
    policy      text    not null constraint collections_policy_json check (json_valid(policy)),
    policy_rev  integer not null,
    constraint collections_schema_order check (schema_min <= schema_cur)
) strict;

CREATE TABLE command_events (
    command integer not null,
    at_ms   integer not null,
    state   integer not null constraint command_events_state_known check (state between 0 and 7),
    actor   text    not null,
    detail  text,
    primary key (command, state)
) strict, without rowid;

CREATE TRIGGER command_events_never_deleted before delete on command_events
begin select raise(abort, 'command_events is append-only'); end;

CREATE TRIGGER command_events_never_updated before update on command_events
begin select raise(abort, 'command_events is append-only'); end;

CREATE TABLE commands (
    n             integer primary key autoincrement, -- order of issue; never leaves this file
    id            text    not null constraint commands_id_unique unique,
    client        integer not null,
    kind          integer not null constraint commands_kind_known check (kind between 0 and 5), -- place in CommandKind::ALL
    args          text    not null constraint commands_args_json check (json_valid(args)),
    priority      integer not null constraint commands_priority_range check (priority between 1 and 5),
    state         integer not null default 0 constraint commands_state_known check (state between 0 and 7), -- 0 queued 1 delivered 2 running 3 done 4 failed 5 expired 6 superseded 7 cancelled
    supersede_key text,
    job           text,                              -- drain job that it belongs to
    actor         text    not null,
    reason        text    not null,
    created_ms    integer not null,
    expires_ms    integer not null,
    changed_ms    integer not null,                  -- in this state since, or last word of the device while it is at it
    ends_ms       integer not null,                  -- ends by itself at
    deliveries    integer not null default 0,
    handed_ms     integer,                           -- last handed over at
    done          integer,                           -- progress, as the device last said
    total         integer,
    result        text    constraint commands_result_json check (result is null or json_valid(result)),
    error_code    text,
    error_detail  text
) strict;

CREATE INDEX commands_by_client on commands (client, n);

CREATE INDEX commands_by_job on commands (job, n) where job is not null;

CREATE INDEX commands_by_key on commands (client, supersede_key) where state = 0 and supersede_key is not null;

CREATE INDEX commands_ending on commands (ends_ms) where state < 3;

CREATE INDEX commands_open on commands (client, priority, n) where state < 3;

CREATE TABLE "conflicts" (
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

CREATE INDEX conflicts_by_operation on conflicts (operation_id);

CREATE INDEX conflicts_by_record on conflicts (collection, record_id);

CREATE INDEX conflicts_open on conflicts (scope, id) where state = 0;

CREATE INDEX conflicts_open_of_client on conflicts (client, id) where state = 0;

CREATE TABLE control_keys (
    kid         text    not null primary key,
    n           integer not null constraint control_keys_order_unique unique,
    public_key  blob    not null constraint control_keys_public_length check (length(public_key) = 32),
    secret_key  blob    not null constraint control_keys_secret_length check (length(secret_key) = 32),
    created_ms  integer not null,
    signed_by   text,
    signature   blob    constraint control_keys_signature_length check (signature is null or length(signature) = 64)
) strict, without rowid;

CREATE TABLE "dead_letters" (
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
    restore_until_ms integer, purge integer, sealed blob, together integer,                        -- can be put back until
    constraint dead_letters_once unique (client, operation_id)
) strict;

CREATE INDEX dead_letters_by_operation on dead_letters (operation_id);

CREATE INDEX dead_letters_by_successor on dead_letters (client, successor) where successor is not null;

CREATE INDEX dead_letters_due on dead_letters (state, changed_ms) where state in (4, 5) and purge is null;

CREATE INDEX dead_letters_handed on dead_letters (client, operation_id) where origin <> 0 and state not in (1, 7) and purge is null;

CREATE INDEX dead_letters_of_job on dead_letters (job, state, purge) where job is not null and state in (2, 3, 4, 5) and purge is null;

CREATE INDEX dead_letters_purged on dead_letters (purge) where purge is not null;

CREATE INDEX dead_letters_readable on dead_letters (id) where origin in (2, 3) and sealed is null and purge is null;

CREATE INDEX dead_letters_sealed on dead_letters (substr(sealed, 2, 8), id) where sealed is not null;

CREATE INDEX dead_letters_together on dead_letters (together) where together is not null;

CREATE TABLE dedupe (
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

CREATE TABLE dedupe_prev (
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

CREATE TABLE drain_behind (
    set_id       integer not null,
    client       integer not null,
    operation_id text    not null,
    primary key (set_id, client, operation_id)
) strict, without rowid;

CREATE TABLE drain_events (
    id     integer primary key autoincrement,
    job    integer not null,
    at_ms  integer not null,
    state  integer not null,
    actor  text    not null,
    detail text
) strict;

CREATE INDEX drain_events_by_job on drain_events (job, id);

CREATE TABLE drain_figures (
    job     integer primary key,
    figures text    not null constraint drain_figures_json check (json_valid(figures))
) strict;

CREATE TABLE drain_items (
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
    at_ms        integer, together integer, along integer not null default 0 constraint drain_items_along_flag check (along in (0, 1)),                            -- outcome since
    primary key (set_id, n)
) strict, without rowid;

CREATE INDEX drain_items_by_code on drain_items (set_id, outcome, coalesce(code, ''), n) where outcome in (3, 4);

CREATE INDEX drain_items_by_command on drain_items (command, n) where outcome = 1;

CREATE UNIQUE INDEX drain_items_open on drain_items (client, operation_id) where open = 1;

CREATE INDEX drain_items_rest on drain_items (set_id, outcome, n) where outcome in (1, 3, 4);

CREATE INDEX drain_items_sent on drain_items (set_id, command, behind) where outcome = 1;

CREATE INDEX drain_items_together on drain_items (set_id, together, n) where together is not null;

CREATE TABLE drain_jobs (
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
    acknowledged_ms  integer, holds integer not null default 0 constraint drain_jobs_holds_flag check (holds in (0, 1)), rolled integer not null default 0 constraint drain_jobs_rolled_known check (rolled between 0 and 3), rolled_ms integer, rolled_file text, rolled_rows integer, rolled_sha256 text,
    constraint drain_jobs_tally_positive check (min(waiting, sent, ok, skipped, failed) >= 0)
) strict;

CREATE INDEX drain_jobs_ended on drain_jobs (finished_ms, id) where finished_ms is not null and rolled = 0;

CREATE INDEX drain_jobs_open on drain_jobs (id) where finished_ms is null;

CREATE INDEX drain_jobs_rolling on drain_jobs (id) where rolled = 1;

CREATE INDEX drain_jobs_unseen on drain_jobs (id) where finished_ms is not null and failed > 0 and acknowledged_ms is null;

CREATE TABLE drain_minutes (
    job     integer not null,
    minute  integer not null,                        -- minutes since 1970
    settled integer not null,
    primary key (job, minute)
) strict, without rowid;

CREATE TABLE drain_sets (
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

CREATE INDEX drain_sets_by_end on drain_sets (expires_ms);

CREATE TABLE entry_events (
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

CREATE TRIGGER entry_events_never_deleted before delete on entry_events
begin select raise(abort, 'entry_events is append-only'); end;

CREATE TRIGGER entry_events_never_updated before update on entry_events
begin select raise(abort, 'entry_events is append-only'); end;

CREATE TABLE epochs (
    epoch      text    not null primary key constraint epochs_epoch_shape check (length(epoch) = 16),
    parent     text,
    fork_seq   integer not null constraint epochs_fork_seq_positive check (fork_seq >= 0),
    created_ms integer not null,
    reason     text    not null
) strict, without rowid;

CREATE TRIGGER epochs_never_deleted before delete on epochs
begin select raise(abort, 'epochs is append-only'); end;

CREATE TRIGGER epochs_never_updated before update on epochs
begin select raise(abort, 'epochs is append-only'); end;

CREATE TABLE escrow_keys (
    id       blob    primary key constraint escrow_keys_id_length check (length(id) = 8),
    since_ms integer not null
) strict, without rowid;

CREATE TABLE meta (
    k text not null primary key,
    v text not null
) strict, without rowid;

CREATE TABLE natural_keys (
    collection integer not null,
    exact_hash blob    not null constraint natural_keys_hash_length check (length(exact_hash) = 32),
    tol_value  integer not null,
    seq        integer not null,
    record_id  text    not null,
    primary key (collection, exact_hash, tol_value, seq)
) strict, without rowid;

CREATE TABLE nonces (
    client integer not null,
    nonce  text    not null,
    exp_s  integer not null,
    primary key (client, nonce)
) strict, without rowid;

CREATE INDEX nonces_by_end on nonces (exp_s);

CREATE TABLE policy_revs (
    collection integer not null,
    rev        integer not null,
    policy     text    not null,
    by         text    not null,
    at_ms      integer not null,
    primary key (collection, rev)
) strict, without rowid;

CREATE TRIGGER policy_revs_never_deleted before delete on policy_revs
begin select raise(abort, 'policy_revs is append-only'); end;

CREATE TRIGGER policy_revs_never_updated before update on policy_revs
begin select raise(abort, 'policy_revs is append-only'); end;

CREATE TABLE purges (
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

CREATE UNIQUE INDEX purges_open on purges (state < 2) where state < 2;

CREATE TABLE records (
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
    content_hash      blob    not null constraint records_content_hash_length check (length(content_hash) = 32), meta text,
    primary key (collection, record_id)
) strict, without rowid;

CREATE UNIQUE INDEX records_by_scope_seq on records (scope, last_seq);

CREATE TABLE scope_digest (
    scope      integer not null,
    collection integer not null,
    rows       integer not null,
    digest     integer not null,
    primary key (scope, collection)
) strict, without rowid;

CREATE TABLE scopes (
    id   integer primary key,
    name text    not null constraint scopes_name_unique unique
) strict;

CREATE TABLE snapshot_parts (
    snapshot  text    not null,
    n         integer not null,                  -- 1, 2, …
    rows      integer not null,
    bytes     integer not null,
    raw_bytes integer not null,                  -- decompressed
    sha256    blob    not null constraint snapshot_parts_hash_length check (length(sha256) = 32),
    primary key (snapshot, n)
) strict, without rowid;

CREATE TABLE snapshots (
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

CREATE TABLE time_index (
    second integer primary key,
    seq    integer not null
) strict;

CREATE TABLE untold (
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

CREATE INDEX untold_by_job on untold (job);

CREATE INDEX untold_due on untold (client, again_ms) where again_ms is not null;

-- telemetry.db

CREATE TABLE cohorts (
    id          integer primary key,
    platform    text not null,
    app_version text not null,
    constraint cohorts_unique unique (platform, app_version)
) strict;

CREATE TABLE device_docs (
    id  integer primary key,
    doc text not null
) strict;

CREATE TABLE device_hours (
    device   integer not null,
    hour     integer not null,                   -- hours since 1970
    synced   integer not null,
    expected integer not null,
    samples  text    not null constraint device_hours_samples_json check (json_valid(samples)),
    primary key (device, hour)
) strict, without rowid;

CREATE TABLE device_logs (
    n          integer primary key autoincrement, -- order of arrival
    command    text    not null constraint device_logs_command_unique unique,
    client_id  text    not null,
    stored_ms  integer not null,
    lines      integer not null constraint device_logs_lines_range check (lines between 0 and 10000),
    bytes      integer not null,                  -- of the lines before they were packed
    begins_ms  integer,                           -- since when the log of the device went back
    dropped    integer not null default 0,        -- lines that the limit of that log had cost it since
    body       blob    not null                   -- zstd; a line is [at, place in LogLevel::ALL, target, message]
) strict;

CREATE INDEX device_logs_by_client on device_logs (client_id, n);

CREATE TABLE device_scopes (
    scope  text    not null,
    device integer not null,
    pulled integer not null,
    primary key (scope, device)
) strict, without rowid;

CREATE INDEX device_scopes_by_device on device_scopes (device);

CREATE TABLE devices (
    id                integer primary key,
    client_id         text    not null constraint devices_client_id_unique unique,
    principal         text    not null default '',
    simulated         integer not null default 0 constraint devices_simulated_flag check (simulated in (0, 1)),
    enrolled_ms       integer not null,
    name              text    not null,
    platform          text,
    os_key            text,                        -- versions as text whose byte order is the order of versions
    app_key           text,
    app_version       text,
    labels            text    constraint devices_labels_json check (labels is null or json_valid(labels)),
    battery           real,
    storage           real,
    skew_ms           integer,
    queue_depth       integer,
    poisoned          integer not null default 0,
    waiting           integer not null default 0,
    oldest_pending_ms integer,
    conflicts         integer not null default 0,
    behind            integer,
    error_code        text,
    last_contact_ms   integer,
    interval_ms       integer,
    condition         integer not null constraint devices_condition_known check (condition between 0 and 6), -- 0 is worst
    contact           integer not null constraint devices_contact_known check (contact between 0 and 4),     -- 0 is worst
    drift_since_ms    integer,
    drift_known       integer not null default 0,  -- whether any gate can be told
    drift_cause       integer,
    due_ms            integer,                     -- when time alone changes the answer
    score             real,
    score_connect     real,
    score_offline     real,
    score_battery     real,
    score_user        real,
    pull_pos          integer,
    sort_worst        integer not null,
    sort_queue        integer not null,
    sort_drift        integer not null,
    sort_contact      integer not null,
    sort_name         text    not null,
    sort_score        real    not null
) strict;

CREATE INDEX devices_by_contact on devices (sort_contact, id);

CREATE INDEX devices_by_drift on devices (sort_drift, id);

CREATE INDEX devices_by_name on devices (sort_name, id);

CREATE INDEX devices_by_queue on devices (sort_queue, id);

CREATE INDEX devices_by_score on devices (sort_score, id, last_contact_ms);

CREATE INDEX devices_by_state on devices (condition, contact, simulated);

CREATE INDEX devices_by_worst on devices (sort_worst, id);

CREATE INDEX devices_due on devices (due_ms) where due_ms is not null;

CREATE TABLE events (
    device       integer not null,
    at_ms        integer not null,
    id           integer not null,
    kind         integer not null constraint events_kind_known check (kind between 0 and 2), -- 0 sync 1 conflict 2 people
    tone         integer not null,
    title        text    not null,
    detail       text    not null,
    operation_id text,
    primary key (device, at_ms, id)
) strict, without rowid;

CREATE TABLE gauges (
    step     integer not null constraint gauges_step_known check (step in (1, 5, 60)),
    bucket   integer not null,
    figures  text    not null constraint gauges_figures_json check (json_valid(figures)),
    drift    blob,
    primary key (step, bucket)
) strict, without rowid;

CREATE TABLE hour_board (
    hour     integer primary key,
    synced   integer not null,
    expected integer not null
) strict;

CREATE TABLE marks (
    k text    not null primary key,
    v integer not null
) strict, without rowid;

CREATE TABLE "outbox" (
    device          integer not null,
    operation_id    text    not null,
    collection      text    not null,
    record_id       text    not null,
    scope           text,
    op              text    not null,
    priority        integer not null,
    state           integer not null constraint outbox_state_known check (state between 0 and 10),
    attempts        integer not null,
    created_ms      integer,
    last_attempt_ms integer,
    next_attempt_ms integer,
    bytes           integer,
    error_code      text,
    error_status    integer,
    error_message   text,
    signature       text,                        -- of a failure: code, collection, op, normalised message
    depends_on      text    not null default '[]' constraint outbox_depends_json check (json_valid(depends_on)),
    history         text    not null default '[]' constraint outbox_history_json check (json_valid(history)), -- attempts seen, newest last: [at, code]
    refused_ms      integer,                     -- when this server refused it for good
    first_seen_ms   integer not null,
    seen_ms         integer not null,            -- report that last listed it, or the refusal
    sort_age        integer not null,            -- created_ms, or first_seen_ms
    kept            integer not null default 0 constraint outbox_kept_flag check (kept in (0, 1)), -- the archive has it and says its state: no digest changes or removes it
    pending         text,                        -- drain action that is on its way to the device
    job             integer, failed_ms integer,                     -- drain job that it was last in
    primary key (device, operation_id)
) strict, without rowid;

CREATE INDEX outbox_by_collection on outbox (collection, state, sort_age, device, operation_id);

CREATE INDEX outbox_by_job on outbox (job, state, sort_age, device, operation_id) where job is not null;

CREATE INDEX outbox_by_operation on outbox (operation_id collate nocase);

CREATE INDEX outbox_by_record on outbox (record_id collate nocase, device);

CREATE INDEX outbox_by_state on outbox (device, state, sort_age, operation_id);

CREATE INDEX outbox_failed on outbox (signature, state, sort_age, device, operation_id, failed_ms)
    where state <= 1 and signature is not null;

CREATE INDEX outbox_pending on outbox (pending, state, sort_age, device, operation_id) where pending is not null;

CREATE INDEX outbox_refused_behind on outbox (device, sort_age, operation_id) where state = 0 and error_code = 'dependency_failed';

CREATE INDEX outbox_worst on outbox (state, sort_age, device, operation_id);

CREATE TABLE report_keys_even (key integer primary key) strict;

CREATE TABLE report_keys_odd (key integer primary key) strict;

CREATE TABLE rollups (
    step     integer not null constraint rollups_step_known check (step in (1, 5, 60)),
    bucket   integer not null,                   -- start, milliseconds
    cohort   integer not null,
    counters text    not null constraint rollups_counters_json check (json_valid(counters)),
    latency  blob,                               -- DDSketch
    drift    blob,
    primary key (step, cohort, bucket)
) strict, without rowid;

-- console.db

CREATE TABLE auth_revision(only integer primary key check (only = 1), n integer not null) strict;

CREATE TABLE device_tokens(
  client_id text primary key,
  principal text not null,
  scopes text not null,                   -- JSON array
  access_hash blob not null constraint device_access_hash unique,
  access_expires_ms integer not null,
  refresh_hash blob not null constraint device_refresh_hash unique,
  refresh_expires_ms integer not null,
  previous_refresh_hash blob constraint device_previous_refresh_hash unique,
  issued_ms integer not null,
  revoked_ms integer
) strict, without rowid;

CREATE TRIGGER device_tokens_revoked after update of revoked_ms on device_tokens when new.revoked_ms is not old.revoked_ms
begin update auth_revision set n = n + 1; end;

CREATE TABLE reveals(
  actor text not null,                    -- as the audit log names them
  client_id text not null,
  operation_id text not null,
  until_ms integer not null,
  primary key (actor, client_id, operation_id)
) strict, without rowid;

CREATE INDEX reveals_by_end on reveals(until_ms);

CREATE TABLE secrets(
  name text primary key,
  value blob not null constraint secret_length check (length(value) = 32)
) strict, without rowid;

CREATE TABLE sessions(
  id text primary key,
  data text not null constraint session_data check (json_valid(data)),
  expires_ms integer not null
) strict, without rowid;

CREATE INDEX sessions_by_expiry on sessions(expires_ms);

CREATE TABLE tokens(
  name text primary key,
  kind text not null constraint token_kind check (kind in ('enrolment', 'api')),
  hash blob not null constraint token_hash unique,
  role text,                              -- of an API token
  scopes text,                            -- of an enrolment token: JSON array
  created_ms integer not null,
  created_by text not null,
  revoked_ms integer,
  constraint token_kind_members check ((kind = 'api') = (role is not null) and (kind = 'enrolment') = (scopes is not null))
) strict, without rowid;

CREATE TRIGGER tokens_changed after update on tokens begin update auth_revision set n = n + 1; end;

CREATE TABLE users(
  name text primary key,
  role text not null constraint user_role check (role in ('viewer', 'support', 'operator', 'product_owner', 'admin')),
  password text not null,                 -- PHC string
  created_ms integer not null
) strict, without rowid;

CREATE TRIGGER users_changed after update on users begin update auth_revision set n = n + 1; end;

CREATE TRIGGER users_removed after delete on users begin update auth_revision set n = n + 1; end;

