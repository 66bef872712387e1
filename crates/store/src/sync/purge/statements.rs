//! Every statement of purging, by name; the test of all statements looks at their plans too.

use crate::sync::statements::statements;

statements! {
    PURGE_OPEN = r"
        select id, state, actor, reason, request_id, rule, created_ms, entries, removed, file, bytes, sha256, from_ms, to_ms, finished_ms, detail
        from purges indexed by purges_open where state < 2";
    PURGE_VIEW = r"
        select id, state, actor, reason, request_id, rule, created_ms, entries, removed, file, bytes, sha256, from_ms, to_ms, finished_ms, detail
        from purges where id = ?1";
    /// Runs below a number, newest first.
    PURGES_BELOW = r"
        select id, state, actor, reason, request_id, rule, created_ms, entries, removed, file, bytes, sha256, from_ms, to_ms, finished_ms, detail
        from purges where id < ?1 order by id desc limit ?2";
    PURGE_ADD = r"
        insert into purges (actor, reason, request_id, rule, created_ms) values (?1, ?2, ?3, ?4, ?5) on conflict do nothing returning id";
    /// The file of a run is whole.
    PURGE_SEAL = r"
        update purges set state = 1, entries = ?2, file = ?3, file_bytes = ?4, bytes = ?5, sha256 = ?6, from_ms = ?7, to_ms = ?8
        where id = ?1 and state = 0";
    PURGE_COUNT = "update purges set removed = removed + ?2 where id = ?1";
    PURGE_END = "update purges set state = ?2, finished_ms = ?3, detail = ?4 where id = ?1 and state < 2";

    /// What is due in a state: given up by then and promised until then at most, after a place. What an open job has is not.
    LETTERS_DUE = r"
        select d.id, d.client, d.operation_id, d.code, d.detail, d.mutation, d.origin, d.state, d.reason, d.actor, d.job, d.successor, d.at_ms,
            d.changed_ms, d.sealed
        from dead_letters d indexed by dead_letters_due
        where d.state in (4, 5) and d.purge is null and d.state = ?1 and d.changed_ms <= ?2 and coalesce(d.restore_until_ms, 0) <= ?3
            and (d.changed_ms, d.id) > (?4, ?5)
            and not exists (select 1 from drain_items i where i.client = d.client and i.operation_id = d.operation_id and i.open = 1)
        order by d.changed_ms, d.id limit ?6";
    /// How many are due in a state, counted up to a limit.
    LETTERS_DUE_COUNT = r"
        select count(*) from (
            select 1 from dead_letters d indexed by dead_letters_due
            where d.state in (4, 5) and d.purge is null and d.state = ?1 and d.changed_ms <= ?2 and coalesce(d.restore_until_ms, 0) <= ?3
                and not exists (select 1 from drain_items i where i.client = d.client and i.operation_id = d.operation_id and i.open = 1)
            limit ?4)";
    /// Removes the payloads of `[[client, operation, state, changed], …]` that are as they were exported; answers which. What is left
    /// is what the mirror is made of.
    LETTERS_PURGE = r"
        update dead_letters set purge = ?2, detail = null, sealed = null, mutation = iif(json_valid(mutation), json_object(
            'operation_id', mutation ->> '$.operation_id', 'collection', mutation ->> '$.collection', 'record_id', mutation ->> '$.record_id',
            'scope', mutation ->> '$.scope', 'op', mutation ->> '$.op', 'priority', mutation ->> '$.priority',
            'created_at', mutation ->> '$.created_at', 'depends_on', mutation -> '$.depends_on'), '{}')
        from json_each(?1) j
        where dead_letters.client = j.value ->> 0 and dead_letters.operation_id = j.value ->> 1
            and +dead_letters.state = j.value ->> 2 and +dead_letters.changed_ms = j.value ->> 3 and +dead_letters.purge is null
            and not exists (
                select 1 from drain_items i where i.client = dead_letters.client and i.operation_id = dead_letters.operation_id and i.open = 1)
        returning client, operation_id";
    /// Of `[[client, operation], …]`: place in the list, state, since when, what was promised, the run that has purged it and when.
    LETTERS_KEPT = r"
        select j.key, d.state, d.changed_ms, d.restore_until_ms, d.purge, p.created_ms
        from json_each(?1) j cross join clients c on c.client_id = j.value ->> 0
        cross join dead_letters d on d.client = c.id and d.operation_id = j.value ->> 1
        left join purges p on p.id = d.purge";
    /// Entries of a set that were purged, and the last run.
    SET_PURGED = r"
        select count(*), max(d.purge) from drain_items i
        cross join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and d.purge is not null";

    PURGE_LAST = "select created_ms from purges order by id desc limit 1";
    VERIFY_PURGES = r"
        select id, state, actor, reason, request_id, rule, created_ms, entries, removed, file, bytes, sha256, from_ms, to_ms, finished_ms, detail
        from purges where id > ?1 order by id limit ?2";
    VERIFY_PURGED = "select count(*) from dead_letters indexed by dead_letters_purged where purge is not null and purge = ?1";
    VERIFY_PURGED_ALL = "select count(*) from dead_letters indexed by dead_letters_purged where purge is not null";
    /// Purged entries that still hold something of their payload, or are in a state that is never purged.
    VERIFY_PURGED_LEFT = r"
        select d.id from dead_letters d indexed by dead_letters_purged
        where d.purge is not null and (d.state not in (4, 5) or d.detail is not null or d.sealed is not null or exists (
            select 1 from json_each(d.mutation) j
            where j.key not in ('operation_id', 'collection', 'record_id', 'scope', 'op', 'priority', 'created_at', 'depends_on')))
        limit 100";
}
