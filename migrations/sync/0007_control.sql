-- The control channel: commands to devices, what happened to them, and the keys that sign them.

-- One instruction to one device. Rows stay; only the state and what the device says of it change.
create table commands (
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
-- What a device is handed: its open commands, most urgent first.
create index commands_open on commands (client, priority, n) where state < 3;
create index commands_ending on commands (ends_ms) where state < 3;
create index commands_by_client on commands (client, n);
create index commands_by_job on commands (job, n) where job is not null;
create index commands_by_key on commands (client, supersede_key) where state = 0 and supersede_key is not null;

-- APPEND-ONLY. The second book: every state that a command came to, once. The two must agree.
create table command_events (
    command integer not null,
    at_ms   integer not null,
    state   integer not null constraint command_events_state_known check (state between 0 and 7),
    actor   text    not null,
    detail  text,
    primary key (command, state)
) strict, without rowid;

create trigger command_events_never_updated before update on command_events
begin select raise(abort, 'command_events is append-only'); end;
create trigger command_events_never_deleted before delete on command_events
begin select raise(abort, 'command_events is append-only'); end;

-- Keys that sign commands. The newest signs; older ones stay published, so that a device can follow from the key that it knows to
-- the one that signs: each key but the first is signed by the one before it.
create table control_keys (
    kid         text    not null primary key,
    n           integer not null constraint control_keys_order_unique unique,
    public_key  blob    not null constraint control_keys_public_length check (length(public_key) = 32),
    secret_key  blob    not null constraint control_keys_secret_length check (length(secret_key) = 32),
    created_ms  integer not null,
    signed_by   text,
    signature   blob    constraint control_keys_signature_length check (signature is null or length(signature) = 64)
) strict, without rowid;
