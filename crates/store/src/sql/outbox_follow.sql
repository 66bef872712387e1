-- Entries as the archive and the journal of the log tell them: device, operation, state, kept, pending, job, purged; then code, words,
-- signature, when, and the attempt, of an entry that was refused once more; and when its state was said. What has all that already is
-- not written: an entry is in six indexes that hold its state.
update outbox set
    state = coalesce(w.value ->> '$[2]', state),
    failed_ms = case
        when coalesce(w.value ->> '$[2]', state) > 1 then null
        when w.value ->> '$[7]' is null then coalesce(failed_ms, w.value ->> '$[12]')
        else w.value ->> '$[10]'
    end,
    kept = w.value ->> '$[3]',
    pending = w.value ->> '$[4]',
    job = coalesce(w.value ->> '$[5]', job),
    error_code = coalesce(w.value ->> '$[7]', error_code),
    error_status = iif(w.value ->> '$[7]' is null or w.value ->> '$[7]' is error_code, error_status, null),
    error_message = iif(w.value ->> '$[6]', null, iif(w.value ->> '$[7]' is null, error_message, w.value ->> '$[8]')),
    signature = coalesce(w.value ->> '$[9]', signature),
    refused_ms = iif(w.value ->> '$[7]' is null, refused_ms, coalesce(refused_ms, w.value ->> '$[10]')),
    history = case
        when w.value ->> '$[7]' is null
            or exists (select 1 from json_each(outbox.history) as h where h.value ->> '$[0]' = w.value ->> '$[10]') then history
        when json_array_length(history) >= 20
            then json_insert(json_remove(history, '$[0]'), '$[#]', json(w.value -> '$[11]'))
        else json_insert(history, '$[#]', json(w.value -> '$[11]'))
    end
from json_each(?1) as w
where outbox.device = w.value ->> '$[0]' and outbox.operation_id = w.value ->> '$[1]' and (
    state is not coalesce(w.value ->> '$[2]', state) or kept is not w.value ->> '$[3]' or pending is not w.value ->> '$[4]'
    or job is not coalesce(w.value ->> '$[5]', job) or (w.value ->> '$[6]' and error_message is not null)
    or w.value ->> '$[7]' is not null)
returning device
