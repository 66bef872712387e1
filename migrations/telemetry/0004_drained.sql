-- The mirror lists what was drained too. The table is built anew, since a check cannot grow.
-- `state`: 0 poisoned 1 retrying 2 held 3 waiting 4 queued 5 sending as the device has it; 6 escrowed 7 quarantined 8 skipped
-- 9 discarded 10 done: drained, nothing of it is left to send.
create table outbox_grown (
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
    job             integer,                     -- drain job that it was last in
    primary key (device, operation_id)
) strict, without rowid;
insert into outbox_grown (
    device, operation_id, collection, record_id, scope, op, priority, state, attempts, created_ms, last_attempt_ms, next_attempt_ms,
    bytes, error_code, error_status, error_message, signature, depends_on, history, refused_ms, first_seen_ms, seen_ms, sort_age)
select
    device, operation_id, collection, record_id, scope, op, priority, state, attempts, created_ms, last_attempt_ms, next_attempt_ms,
    bytes, error_code, error_status, error_message, signature, depends_on, history, refused_ms, first_seen_ms, seen_ms, sort_age
from outbox;
drop table outbox;
alter table outbox_grown rename to outbox;
create index outbox_by_state on outbox (device, state, sort_age, operation_id);
create index outbox_failed on outbox (signature, state, sort_age, device, operation_id, refused_ms, first_seen_ms)
    where state <= 1 and signature is not null;
create index outbox_worst on outbox (state, sort_age, device, operation_id);
create index outbox_by_collection on outbox (collection, state, sort_age, device, operation_id);
create index outbox_by_record on outbox (record_id collate nocase);
create index outbox_by_operation on outbox (operation_id collate nocase);
create index outbox_pending on outbox (pending, state, sort_age, device, operation_id) where pending is not null;
create index outbox_by_job on outbox (job, state, sort_age, device, operation_id) where job is not null;
