//! Every statement of draining, by name; the test of all statements looks at their plans too.

use crate::sync::statements::{Insert, inserts, statements};

statements! {
    /// Events of the journal after a position.
    EVENTS_AFTER = r"
        select id, client, operation_id, state, pending, job, command, at_ms, detail from entry_events where id > ?1 order by id limit ?2";
    /// Which of `[operation, …]` of a device are in the archive: their places in the list.
    LETTERS_KNOWN = "select j.key from json_each(?1) j cross join dead_letters d on d.client = ?2 and d.operation_id = j.value";

    /// What is known of `[[client, operation], …]`: place in the list, its row of the archive, that row's state (8 when purged), its group, its open job.
    MEMBERS_LOOK = r"
        select j.key, d.id, iif(d.purge is null, d.state, 8), d.together, s.id
        from json_each(?1) j
        left join dead_letters d on d.client = j.value ->> 0 and d.operation_id = j.value ->> 1
        left join drain_items i on i.client = j.value ->> 0 and i.operation_id = j.value ->> 1 and i.open = 1
        left join drain_jobs s on s.set_id = i.set_id
        where d.id is not null or i.n is not null";
    LETTERS_GROUPED = "select 1 from dead_letters indexed by dead_letters_together where together is not null limit 1";
    /// Rows of the archive of groups `[first, …]`.
    LETTERS_TOGETHER = r"
        select d.together, d.client, d.operation_id, iif(d.purge is null, d.state, 8) as state
        from json_each(?1) j cross join dead_letters d indexed by dead_letters_together on d.together = j.value and d.together is not null
        order by d.together, d.id";
    SET_ADD = r"
        insert into drain_sets (action, dependants, patch, selection, idempotency_key, created_by, created_ms, expires_ms)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) returning id";
    SET_FREEZE = "update drain_sets set frozen = 1, hash = ?2, entries = ?3, devices = ?4, summary = ?5 where id = ?1 and frozen = 0";
    /// Ends what the same person has open beyond so many newest: nobody can submit it from here on, and it is dropped with what is over.
    SETS_OVER = r"
        update drain_sets set frozen = 0, expires_ms = 0 where id in (
            select s.id from drain_sets n cross join drain_sets s indexed by drain_sets_by_end on s.expires_ms >= n.created_ms
            left join drain_jobs j on j.set_id = s.id
            where n.id = ?1 and s.created_by = n.created_by and s.frozen = 1 and j.id is null order by s.id desc limit -1 offset ?2)";
    SET_VIEW = r"
        select s.id, s.action, s.dependants, s.patch, s.selection, s.hash, s.entries, s.devices, s.summary, s.idempotency_key, s.created_by,
            s.created_ms, s.expires_ms, j.id as job
        from drain_sets s left join drain_jobs j on j.set_id = s.id where s.id = ?1 and s.frozen = 1";
    /// Sets that nobody has submitted in time, or that were never finished.
    SETS_ENDED = r"
        select s.id from drain_sets s left join drain_jobs j on j.set_id = s.id where s.expires_ms < ?1 and j.id is null limit 1";
    /// From here on nobody can submit it.
    SET_END = "update drain_sets set frozen = 0 where id = ?1";
    SET_EMPTY = "delete from drain_items where set_id = ?1 and n in (select n from drain_items where set_id = ?1 order by n limit ?2)";
    SET_DROP = "delete from drain_sets where id = ?1";
    /// Forgets what waited behind a set.
    BEHIND_DROP = "delete from drain_behind where set_id = ?1";
    /// What became of what waited behind a set, and in which second the log took it: 0 applied 1 conflict 2 refused 3 drained 4 not seen.
    BEHIND_FATES = r"
        with past as materialized (
            select
                (select min(c.committed_ms) from changes c indexed by changes_by_operation
                    where c.operation_id = b.operation_id and c.client = b.client) as at,
                exists (select 1 from conflicts x where x.operation_id = b.operation_id and x.client = b.client) as conflict,
                (select d.state from dead_letters d where d.client = b.client and d.operation_id = b.operation_id) as letter
            from drain_behind b where b.set_id = ?1)
        select case when at is not null then 0 when conflict then 1 when letter = 0 then 2 when letter is not null then 3 else 4 end as fate,
            at / 1000 as second, count(*)
        from past
        group by fate, second order by second";
    /// Items of a job that failed, after a place: only those with a code, unless it is null, and what failed of their groups.
    FAILED_AFTER = r"
        select i.n, i.client, i.operation_id, i.behind, i.along from drain_jobs j
        cross join drain_items i indexed by drain_items_rest on i.set_id = j.set_id and i.outcome in (1, 3, 4) and i.outcome = 4 and i.n > ?2
        where j.id = ?1 and (?3 is null or i.code = ?3 or exists (
            select 1 from drain_items o indexed by drain_items_together
            where o.set_id = i.set_id and o.together = i.together and o.together is not null and o.outcome = 4 and o.code = ?3))
        order by i.n limit ?4";
    /// Members in their order, with what is known of each here, after a place and before one.
    MEMBERS_PAGE = r"
        select i.n, i.client, i.operation_id, i.behind, i.along, d.id is not null and d.purge is null as payload_known,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.n > ?2 order by i.n limit ?3";
    MEMBERS_PAGE_BACK = r"
        select i.n, i.client, i.operation_id, i.behind, i.along, d.id is not null and d.purge is null as payload_known,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.n < ?2 order by i.n desc limit ?3";
    /// Members, as the device and the operation, after a place.
    MEMBERS_AFTER = "select n, client, operation_id from drain_items where set_id = ?1 and n > ?2 order by n limit ?3";
}

inserts! {
    MEMBER_ADD = "insert into drain_items (set_id, n, client, operation_id, letter, behind, together, along)", 8, "";
    BEHIND_ADD = "insert into drain_behind (set_id, client, operation_id)", 3, "on conflict do nothing";
    EVENT_ADD = "insert into entry_events (client, operation_id, state, pending, job, command, at_ms, detail)", 8, "";
}
