-- One row per entry: a device's report and this server's refusal use the same statement. A refused entry stays poisoned
-- whatever the device calls it, one that the archive keeps stays in the state the archive says, and a refusal keeps what the device
-- has said of the entry. Why it was refused is this server's to
-- say: a device that lost the answer speaks of its link.
insert into outbox (
    device, operation_id, collection, record_id, scope, op, priority, state, attempts, created_ms, last_attempt_ms,
    next_attempt_ms, bytes, error_code, error_status, error_message, signature, depends_on, history, refused_ms, seen_ms,
    sort_age, first_seen_ms, failed_ms)
select
    value ->> '$[0]', value ->> '$[1]', value ->> '$[2]', value ->> '$[3]', value ->> '$[4]', value ->> '$[5]', value ->> '$[6]',
    value ->> '$[7]', value ->> '$[8]', value ->> '$[9]', value ->> '$[10]', value ->> '$[11]', value ->> '$[12]', value ->> '$[13]',
    value ->> '$[14]', value ->> '$[15]', value ->> '$[16]', value ->> '$[17]', value ->> '$[18]', value ->> '$[19]', value ->> '$[20]',
    value ->> '$[21]', value ->> '$[20]', iif(value ->> '$[7]' <= 1, coalesce(value ->> '$[19]', value ->> '$[20]'), null)
from json_each(?1) where true
on conflict (device, operation_id) do update set
    collection      = coalesce(nullif(excluded.collection, ''), collection),
    record_id       = coalesce(nullif(excluded.record_id, ''), record_id),
    scope           = coalesce(excluded.scope, scope),
    op              = coalesce(nullif(excluded.op, ''), op),
    priority        = excluded.priority,
    state           = case when kept = 1 then state when coalesce(excluded.refused_ms, refused_ms) is not null then 0 else excluded.state end,
    -- A report that was taken after the refusal counts its attempt already.
    attempts        = case
        when excluded.refused_ms is null then max(attempts, excluded.attempts)
        when seen_ms >= excluded.refused_ms then max(attempts, 1)
        else attempts + 1
    end,
    created_ms      = coalesce(created_ms, excluded.created_ms),
    last_attempt_ms = max(coalesce(last_attempt_ms, 0), coalesce(excluded.last_attempt_ms, last_attempt_ms)),
    next_attempt_ms = excluded.next_attempt_ms,
    bytes           = coalesce(excluded.bytes, bytes),
    error_code      = case when refused_ms is null or excluded.refused_ms is not null then coalesce(excluded.error_code, error_code) else coalesce(error_code, excluded.error_code) end,
    error_status    = case when refused_ms is null or excluded.refused_ms is not null then coalesce(excluded.error_status, error_status) else coalesce(error_status, excluded.error_status) end,
    error_message   = case when refused_ms is null or excluded.refused_ms is not null then coalesce(excluded.error_message, error_message) else coalesce(error_message, excluded.error_message) end,
    signature       = case when refused_ms is null or excluded.refused_ms is not null then coalesce(excluded.signature, signature) else coalesce(signature, excluded.signature) end,
    depends_on      = case when excluded.refused_ms is null then excluded.depends_on else depends_on end,
    history         = case
        when json_array_length(excluded.history) = 0 or history ->> '$[#-1][0]' = excluded.history ->> '$[0][0]' then history
        -- The device speaks of the attempt that this server has answered, by its own clock.
        when excluded.refused_ms is null and excluded.attempts <= attempts then history
        when seen_ms >= excluded.refused_ms and json_array_length(history) > 0 then history
        when json_array_length(history) >= 20 then json_insert(json_remove(history, '$[0]'), '$[#]', json(excluded.history -> '$[0]'))
        else json_insert(history, '$[#]', json(excluded.history -> '$[0]'))
    end,
    failed_ms       = case
        when kept = 1 then failed_ms
        when excluded.state > 1 and coalesce(excluded.refused_ms, refused_ms) is null then null
        else coalesce(failed_ms, excluded.refused_ms, excluded.seen_ms)
    end,
    refused_ms      = coalesce(refused_ms, excluded.refused_ms),
    seen_ms         = max(seen_ms, excluded.seen_ms),
    sort_age        = min(sort_age, excluded.sort_age)
