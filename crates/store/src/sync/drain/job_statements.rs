//! Every statement of jobs, by name; the test of all statements looks at their plans too.

use crate::sync::statements::statements;

statements! {
    JOB_BY_KEY = "select id, set_id from drain_jobs where idempotency_key = ?1";
    JOB_OF_SET = "select id from drain_jobs where set_id = ?1";
    JOB_ADD = r"
        insert into drain_jobs (set_id, idempotency_key, state, created_by, request_id, created_ms, reason, approve_until_ms, canary, rate_per_s,
            stop_percent, waiting, restore_until_ms)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) returning id";
    JOB_VIEW = r"
        select j.*, s.action, s.dependants, s.patch, s.selection, s.hash, s.entries, s.devices, s.summary, s.created_ms as frozen_ms
        from drain_jobs j cross join drain_sets s on s.id = j.set_id where j.id = ?1";
    JOBS_BELOW = r"
        select j.*, s.action, s.dependants, s.patch, s.selection, s.hash, s.entries, s.devices, s.summary, s.created_ms as frozen_ms
        from drain_jobs j cross join drain_sets s on s.id = j.set_id where j.id < ?1 order by j.id desc limit ?2";
    JOBS_ABOVE = r"
        select j.*, s.action, s.dependants, s.patch, s.selection, s.hash, s.entries, s.devices, s.summary, s.created_ms as frozen_ms
        from drain_jobs j cross join drain_sets s on s.id = j.set_id where j.id > ?1 order by j.id limit ?2";
    /// Jobs that wait for a person: to be approved, to be resumed, or to have their failures seen. Newest first.
    JOBS_WAITING = r"
        select j.*, s.action, s.dependants, s.patch, s.selection, s.hash, s.entries, s.devices, s.summary, s.created_ms as frozen_ms
        from (
            select * from (
                select id from drain_jobs indexed by drain_jobs_open where id > 0 and finished_ms is null and state in (0, 3)
                order by id desc limit ?1)
            union all
            select * from (
                select id from drain_jobs indexed by drain_jobs_unseen
                where id > 0 and finished_ms is not null and failed > 0 and acknowledged_ms is null order by id desc limit ?1)) w
        cross join drain_jobs j on j.id = w.id cross join drain_sets s on s.id = j.set_id order by j.id desc limit ?1";
    JOB_LAST = "select coalesce(max(id), 0) from drain_jobs";
    /// Jobs that are not final yet, oldest first.
    JOBS_OPEN = "select id from drain_jobs indexed by drain_jobs_open where finished_ms is null and id > ?1 order by id limit 100";
    JOB_SAVE = r"
        update drain_jobs set state = ?2, approved_by = ?3, canary_until_ms = ?4, canary_done = ?5, claimed_n = ?6, next_n = ?7, waiting = ?8,
            sent = ?9, ok = ?10, skipped = ?11, failed = ?12, recent = ?13, finished_ms = ?14, undo_n = ?15, acknowledged_by = ?16,
            acknowledged_ms = ?17, holds = ?18
        where id = ?1";
    JOB_EVENT_ADD = "insert into drain_events (job, at_ms, state, actor, detail) values (?1, ?2, ?3, ?4, ?5)";
    JOB_EVENTS = "select at_ms, state, actor, detail from drain_events where job = ?1 order by id desc limit ?2";
    MINUTE_ADD = r"
        insert into drain_minutes (job, minute, settled) values (?1, ?2, ?3)
        on conflict (job, minute) do update set settled = settled + excluded.settled";
    JOB_MINUTES = "select minute, settled from drain_minutes where job = ?1 and minute > ?2 order by minute";

    /// Items of a set that have come to an end, by second.
    ITEMS_SECONDS = r"
        select at_ms / 1000 as second, count(*) from drain_items where set_id = ?1 and outcome > 1 and at_ms is not null group by second order by second";

    /// Takes items for their job. What another open job has stays as it is.
    ITEMS_CLAIM = "update or ignore drain_items set open = 1 where set_id = ?1 and n > ?2 and n <= ?3 and outcome = 0";
    /// The items of a stretch that another open job has: place and that job.
    ITEMS_TAKEN = r"
        select i.n, j.id from drain_items i
        cross join drain_items o indexed by drain_items_open on o.client = i.client and o.operation_id = i.operation_id and o.open = 1
        cross join drain_jobs j on j.set_id = o.set_id
        where i.set_id = ?1 and i.n > ?2 and i.n <= ?3 and i.outcome = 0 and i.open = 0";
    /// Items that wait, after a place; with their intents when those are asked for.
    ITEMS_WAITING = r"
        select i.n, i.client, i.operation_id, i.behind, i.together, i.along, i.outcome, iif(?4, d.mutation, null) as mutation, iif(?4, d.sealed, null) as sealed, d.state
        from drain_items i left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.n > ?2 and i.outcome = 0 order by i.n limit ?3";
    /// The same from the first place on, without those of devices `[client, …]`.
    ITEMS_ELSEWHERE = r"
        select i.n, i.client, i.operation_id, i.behind, i.together, i.along, i.outcome, iif(?4, d.mutation, null) as mutation, iif(?4, d.sealed, null) as sealed, d.state
        from drain_items i left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.outcome = 0 and i.client not in (select value from json_each(?2)) order by i.n limit ?3";
    /// What was begun and not left alone, each group as one: device, whether it failed, whether it is under way.
    ITEMS_TRIED = r"
        select min(client) as client, max(outcome = 4) as failed, max(outcome = 1) as sent from drain_items
        where set_id = ?1 and +outcome in (1, 2, 4) group by coalesce(-together, n)";
    /// Items at `[place, …]` that wait.
    ITEMS_AT = r"
        select i.n, i.client, i.operation_id, i.behind, i.together, i.along, i.outcome, iif(?3, d.mutation, null) as mutation, iif(?3, d.sealed, null) as sealed, d.state
        from json_each(?2) j cross join drain_items i on i.set_id = ?1 and i.n = j.value
        left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.outcome = 0";
    /// Items of groups `[first, …]`, whatever became of them.
    ITEMS_TOGETHER = r"
        select i.n, i.client, i.operation_id, i.behind, i.together, i.along, i.outcome, d.mutation, d.sealed, d.state
        from json_each(?2) j
        cross join drain_items i indexed by drain_items_together on i.set_id = ?1 and i.together = j.value and i.together is not null
        left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        order by i.n";
    /// Outcomes of items at `[place, …]`.
    ITEMS_OUTCOMES = r"
        select i.n, i.outcome from json_each(?2) j cross join drain_items i on i.set_id = ?1 and i.n = j.value";
    /// `[[place, outcome, code, detail, command], …]`. An item with a command under way stays its job's. The rows are there: stated as an
    /// insert, so that each is found by its place and the list is gone through once.
    ITEMS_SETTLE = r"
        insert into drain_items (set_id, n, client, operation_id, outcome, code, detail, command, at_ms, open)
        select ?1, j.value ->> 0, 0, '', j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, ?3, j.value ->> 1 = 1
        from json_each(?2) j where true
        on conflict (set_id, n) do update set outcome = excluded.outcome, code = excluded.code, detail = excluded.detail,
            command = excluded.command, at_ms = excluded.at_ms, open = excluded.open";
    /// Items of a stretch, whatever became of them, with their rows of the archive.
    ITEMS_STRETCH = r"
        select i.n, i.client, i.operation_id, i.behind, i.outcome, i.command, d.id as letter, iif(d.purge is null, d.state, 8) as state, d.job, d.home, d.origin
        from drain_items i left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.n > ?2 order by i.n limit ?3";
    /// Rows of the archive that stand where a job has put them, in one of two states.
    UNDO_LETTERS = r"
        select count(*) from dead_letters indexed by dead_letters_of_job
        where job = ?1 and state in (2, 3, 4, 5) and purge is null and (state = ?2 or state = ?3)";
    /// Items that only their devices have and hold, all of a job or those that wait behind others.
    UNDO_HELD = r"
        select count(*) from drain_items i
        where i.set_id = ?1 and +i.outcome = 2 and i.letter is null and (?2 or i.behind) and not exists (
            select 1 from dead_letters d where d.client = i.client and d.operation_id = i.operation_id)";
    /// Items under way whose command no device has fetched, and those that are not done after an undo either: all of a job, or those that
    /// wait behind others and are to be held.
    UNDO_CALLED_BACK = r"
        select coalesce(sum(iif(c.state = 0, picked.entries, picked.held)), 0) from (
            select command, count(*) as entries, count(*) filter (where ?2 or ?3 and behind) as held
            from drain_items indexed by drain_items_sent where set_id = ?1 and outcome = 1 group by command) picked
        cross join commands c on c.id = picked.command";
    /// Commands of a job that none of the devices `[client, …]` has fetched: id, device, arguments.
    COMMANDS_QUEUED = r"
        select c.id, c.client, c.args from json_each(?1) j cross join commands c indexed by commands_open on c.client = j.value and c.state < 3
        where c.state = 0 and c.job = ?2";
    /// The same as [`ITEMS_OF_COMMAND`], their operations alone.
    COMMAND_AWAITED = r"
        select i.operation_id from drain_items i indexed by drain_items_by_command where i.command = ?1 and i.outcome = 1";
    /// Where rows of the archive stand that a job has moved: those of a device at `[operation, …]`.
    LETTERS_OF_JOB = r"
        select d.operation_id, d.state from json_each(?2) j cross join dead_letters d on d.client = ?1 and d.operation_id = j.value
        where +d.job = ?3 and +d.purge is null";
    COMMANDS_STATES = r"
        select c.id, c.state, c.done, c.total, c.changed_ms from json_each(?1) j cross join commands c on c.id = j.value";
    /// Who brought a job to a state last.
    JOB_MOVED_BY = "select actor, detail from drain_events where job = ?1 and state = ?2 order by id desc limit 1";
    /// What a command is about: its items that wait for their device.
    ITEMS_OF_COMMAND = r"
        select i.set_id, i.n, i.client, i.operation_id, i.behind, i.outcome
        from drain_items i indexed by drain_items_by_command where i.command = ?1 and i.outcome = 1 order by i.n";
    /// Items of a job, after a place; what they write to is in the archive, when their payload is.
    ITEMS_PAGE = r"
        select i.n, i.client, i.operation_id, i.outcome, i.code, i.detail, i.at_ms,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.n > ?2 and (?3 is null or i.outcome = ?3) order by i.n limit ?4";
    ITEMS_PAGE_BACK = r"
        select i.n, i.client, i.operation_id, i.outcome, i.code, i.detail, i.at_ms,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.n < ?2 and (?3 is null or i.outcome = ?3) order by i.n desc limit ?4";
    /// The same of one outcome that has an index: under way, left alone or failed. A few of many are found without walking the others.
    ITEMS_PAGE_REST = r"
        select i.n, i.client, i.operation_id, i.outcome, i.code, i.detail, i.at_ms,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i indexed by drain_items_rest left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.outcome in (1, 3, 4) and i.outcome = ?3 and i.n > ?2 order by i.n limit ?4";
    ITEMS_PAGE_REST_BACK = r"
        select i.n, i.client, i.operation_id, i.outcome, i.code, i.detail, i.at_ms,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i indexed by drain_items_rest left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.outcome in (1, 3, 4) and i.outcome = ?3 and i.n < ?2 order by i.n desc limit ?4";
    /// The same of one code among what failed or was left alone.
    ITEMS_PAGE_CODE = r"
        select i.n, i.client, i.operation_id, i.outcome, i.code, i.detail, i.at_ms,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i indexed by drain_items_by_code left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.outcome in (3, 4) and i.outcome = ?3 and coalesce(i.code, '') = ?5 and i.n > ?2 order by i.n limit ?4";
    ITEMS_PAGE_CODE_BACK = r"
        select i.n, i.client, i.operation_id, i.outcome, i.code, i.detail, i.at_ms,
            d.mutation ->> 'collection' as collection, d.mutation ->> 'record_id' as record_id
        from drain_items i indexed by drain_items_by_code left join dead_letters d on d.client = i.client and d.operation_id = i.operation_id
        where i.set_id = ?1 and i.outcome in (3, 4) and i.outcome = ?3 and coalesce(i.code, '') = ?5 and i.n < ?2 order by i.n desc limit ?4";
    ITEMS_OF_CODE = r"
        select count(*) from drain_items indexed by drain_items_by_code
        where set_id = ?1 and outcome in (3, 4) and outcome = ?2 and coalesce(code, '') = ?3";
    /// Failed and skipped items by code, with the words of the last of them, how many wordings there are, how many codes in all, and
    /// of them for failing. `again` is what is retried with those that failed: they, and what failed of their groups for another code.
    ITEMS_REASONS = r"
        with fallen as materialized (
            select together, coalesce(code, '') as code, count(*) as entries from drain_items indexed by drain_items_together
            where set_id = ?1 and together is not null and outcome = 4 group by 1, 2),
        beside as materialized (
            select part.code, sum(other.entries) as entries from fallen part join fallen other on other.together = part.together and other.code <> part.code
            group by 1),
        reasons as (
            select coalesce(code, '') as code, coalesce(detail, '') as detail, outcome, count(*) as entries, count(distinct client) as devices,
                count(distinct coalesce(detail, '')) as wordings, max(coalesce(at_ms, 0)) as last_ms
            from drain_items indexed by drain_items_rest where set_id = ?1 and outcome in (1, 3, 4) and outcome in (3, 4) group by 1, 3)
        select picked.*, iif(picked.outcome = 4, picked.entries + coalesce(b.entries, 0), 0) as again, count(*) over () as reasons,
            count(*) filter (where picked.outcome = 4) over () as reasons_failed
        from reasons picked left join beside b on b.code = picked.code order by picked.entries desc, picked.code, picked.outcome limit 50";
    /// Devices that have items under way, with the newest command of each.
    ITEMS_DEVICES = r"
        select client, count(*), max(command), max(at_ms) from drain_items indexed by drain_items_rest
        where set_id = ?1 and outcome in (1, 3, 4) and outcome = 1 group by client";

    /// Rows of the archive at `[[client, operation], …]`: place in the list, number, state (8 when purged), origin, home.
    LETTERS_AT = r"
        select j.key as at, d.id, iif(d.purge is null, d.state, 8), d.origin, d.home
        from json_each(?1) j cross join dead_letters d on d.client = j.value ->> 0 and d.operation_id = j.value ->> 1";
    /// Moves rows of the archive from one state to another; answers those that were in it.
    LETTERS_MOVE = r"
        update dead_letters set state = ?3, passes = ?4, reason = ?5, actor = ?6, job = ?7, changed_ms = ?8, restore_until_ms = ?9
        where id in (select value from json_each(?1)) and +state = ?2 and +purge is null returning id";
    /// `[[number, state, code, detail, successor, passes], …]`: what a decision came to. The state that it starts from is named.
    LETTERS_DECIDED = r"
        update dead_letters set state = j.value ->> 1, code = coalesce(j.value ->> 2, code), detail = coalesce(j.value ->> 3, detail),
            successor = j.value ->> 4, passes = max(passes, j.value ->> 5), reason = ?2, actor = ?3, job = ?4, changed_ms = ?5, restore_until_ms = null
        from json_each(?1) j where dead_letters.id = j.value ->> 0 and +dead_letters.state in (0, 2, 6)";
    /// Forgets answers, of both generations: `[[client, key], …]`.
    MEMORY_DROP = r"
        delete from dedupe where (client, idem_key) in (select j.value ->> 0, j.value ->> 1 from json_each(?1) j)";
    MEMORY_DROP_PREV = r"
        delete from dedupe_prev where (client, idem_key) in (select j.value ->> 0, j.value ->> 1 from json_each(?1) j)";
    /// Refusals that were written just now go into the journal.
    EVENTS_OF_REFUSALS = r"
        insert into entry_events (client, operation_id, state, at_ms, detail)
        select client, operation_id, 0, at_ms, code from dead_letters where id > ?1 and id <= ?2";
    /// What took the place of an operation of a device, and what it took the place of itself.
    LETTER_COPY = "select successor from dead_letters where client = ?1 and operation_id = ?2 and successor is not null";
    LETTER_ORIGINAL = "select operation_id from dead_letters where client = ?1 and successor = ?2 limit 1";
    /// One row of the archive.
    LETTER_VIEW = r"
        select id, client, operation_id, code, detail, mutation, origin, state, home, passes, reason, actor, job, successor, at_ms, changed_ms,
            restore_until_ms, purge, together, sealed
        from dead_letters where client = ?1 and operation_id = ?2";

    VERIFY_JOBS = r"
        select j.id, j.set_id, j.waiting, j.sent, j.ok, j.skipped, j.failed, j.finished_ms is not null as final, s.entries, s.hash, j.rolled > 0 as rolled
        from drain_jobs j cross join drain_sets s on s.id = j.set_id where j.id > ?1 order by j.id limit ?2";
    VERIFY_ITEMS = r"
        select outcome, open, count(*) from drain_items where set_id = ?1 group by outcome, open";
    VERIFY_LETTERS = "select id, client, operation_id, state from dead_letters where id > ?1 order by id limit ?2";
    VERIFY_EVENTS = "select id, client, operation_id, state from entry_events where id > ?1 and state is not null order by id limit ?2";
}
