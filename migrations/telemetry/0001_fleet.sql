-- telemetry.db: what is known of each device, the mirror of its outbox, and rollups. Nothing here is part of the log; all of it
-- but `report_keys` can be lost without losing a mutation. Raw reports are in hourly files beside this one.
--
-- Times are milliseconds since 1970. Null is "not reported", never zero.

-- Watermarks and counters of the telemetry itself.
create table marks (
    k text    not null primary key,
    v integer not null
) strict, without rowid;

-- One slim row a device: what lists filter, sort and count by. Everything else is in device_docs.
-- `sort_*` hold one ascending key per order of the table, so that each order is one index and a page is one range.
create table devices (
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
create index devices_by_worst on devices (sort_worst, id);
create index devices_by_queue on devices (sort_queue, id);
create index devices_by_drift on devices (sort_drift, id);
create index devices_by_contact on devices (sort_contact, id);
create index devices_by_name on devices (sort_name, id);
create index devices_by_score on devices (sort_score, id, last_contact_ms);
create index devices_by_state on devices (condition, contact, simulated);
create index devices_due on devices (due_ms) where due_ms is not null;

-- The whole state of a device, JSON; written and read by the telemetry writer.
create table device_docs (
    id  integer primary key,
    doc text not null
) strict;

-- Which devices follow which scope, and how far they have pulled it.
create table device_scopes (
    scope  text    not null,
    device integer not null,
    pulled integer not null,
    primary key (scope, device)
) strict, without rowid;
create index device_scopes_by_device on device_scopes (device);

-- Mirror of the outboxes. `state`: 0 poisoned 1 retrying 2 held 3 waiting 4 queued 5 sending, worst first.
create table outbox (
    device          integer not null,
    operation_id    text    not null,
    collection      text    not null,
    record_id       text    not null,
    scope           text,
    op              text    not null,
    priority        integer not null,
    state           integer not null constraint outbox_state_known check (state between 0 and 5),
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
    primary key (device, operation_id)
) strict, without rowid;
create index outbox_by_state on outbox (device, state, sort_age, operation_id);
create index outbox_poisoned on outbox (signature, device) where state = 0;

-- Timeline of a device; bounded per device.
create table events (
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

-- What a device did in one hour: `synced` and `expected` for the board, and its samples of five minutes.
create table device_hours (
    device   integer not null,
    hour     integer not null,                   -- hours since 1970
    synced   integer not null,
    expected integer not null,
    samples  text    not null constraint device_hours_samples_json check (json_valid(samples)),
    primary key (device, hour)
) strict, without rowid;

create table hour_board (
    hour     integer primary key,
    synced   integer not null,
    expected integer not null
) strict;

-- Names of cohorts: id 1 is the whole fleet.
create table cohorts (
    id          integer primary key,
    platform    text not null,
    app_version text not null,
    constraint cohorts_unique unique (platform, app_version)
) strict;
insert into cohorts (id, platform, app_version) values (1, '*', '*');

-- What happened, by time and cohort. `step`: 1 minute, 5 minutes, 60 minutes.
create table rollups (
    step     integer not null constraint rollups_step_known check (step in (1, 5, 60)),
    bucket   integer not null,                   -- start, milliseconds
    cohort   integer not null,
    counters text    not null constraint rollups_counters_json check (json_valid(counters)),
    latency  blob,                               -- DDSketch
    drift    blob,
    primary key (step, cohort, bucket)
) strict, without rowid;

-- How the fleet stood, sampled by the roller.
create table gauges (
    step     integer not null constraint gauges_step_known check (step in (1, 5, 60)),
    bucket   integer not null,
    figures  text    not null constraint gauges_figures_json check (json_valid(figures)),
    drift    blob,
    primary key (step, bucket)
) strict, without rowid;

-- Which reports have been taken: 64 bits of a hash of (client_id, report_id). Two generations of 48 hours each, so that
-- forgetting is one truncation and never a delete per row.
create table report_keys_even (key integer primary key) strict;
create table report_keys_odd (key integer primary key) strict;
