//! Statements of the control channel.

use super::Insert;

inserts! {
    /// Commands that are given out.
    COMMAND_ADD = "insert into commands (id, client, kind, args, priority, supersede_key, job, actor, reason, created_ms, expires_ms, changed_ms, ends_ms)", 13, "";
}

statements! {
    /// `[id, …]`: the state that those begin in which were given out just now.
    COMMANDS_ISSUED_EVENTS = r"
        insert into command_events (command, at_ms, state, actor, detail)
        select c.n, ?2, 0, c.actor, c.reason from json_each(?1) j cross join commands c on c.id = j.value";
    COMMAND_EVENT_ADD = "insert into command_events (command, at_ms, state, actor, detail) values (?1, ?2, ?3, ?4, ?5)";
    COMMAND_BY_ID = "select n, id, client, state from commands where id = ?1";
    /// Older commands with the same key that were not handed over.
    COMMANDS_OF_KEY = "select n, id, client, state from commands where client = ?1 and supersede_key = ?2 and state = 0";
    COMMANDS_OPEN_OF = "select n, id, client, state from commands where client = ?1 and state < 3 order by priority, n";
    COMMANDS_ENDING = "select n, id, client, state from commands where ends_ms <= ?1 and state < 3 order by ends_ms limit ?2";
    COMMANDS_OVER = "select 1 from commands where ends_ms <= ?1 and state < 3 limit 1";
    COMMAND_END = "update commands set state = ?2, changed_ms = ?3, ends_ms = ?3 where n = ?1 and state < 3";
    /// What a device is to be handed now; what it was handed before comes again after a while. What it never was is held back while its
    /// job holds.
    COMMANDS_DUE = r"
        select n, id, kind, args, priority, supersede_key, reason, created_ms, expires_ms from commands c
        where client = ?1 and state < 3 and expires_ms > ?2 and (handed_ms is null or handed_ms <= iif(state = 2, ?4, ?3))
            and not (state = 0 and exists (
                select 1 from drain_jobs d where d.id = cast(substr(c.job, 2) as integer) and d.holds = 1))
        order by priority, n limit ?5";
    /// `[n, …]`: the state that those come to which go out for the first time.
    COMMANDS_HANDED_EVENTS = r"
        insert into command_events (command, at_ms, state, actor)
        select c.n, ?2, 1, ?3 from json_each(?1) j cross join commands c on c.n = j.value where c.state = 0 and c.expires_ms > ?2
            and not exists (select 1 from drain_jobs d where d.id = cast(substr(c.job, 2) as integer) and d.holds = 1)";
    COMMANDS_HAND_OVER = r"
        update commands set deliveries = deliveries + 1, handed_ms = ?2, changed_ms = iif(state = 0, ?2, changed_ms), state = max(state, 1)
        where n in (select value from json_each(?1)) and state < 3 and expires_ms > ?2
            and not (state = 0 and exists (
                select 1 from drain_jobs d where d.id = cast(substr(commands.job, 2) as integer) and d.holds = 1))
        returning n";
    COMMAND_OF_CLIENT = "select n, client, kind, args, state, expires_ms from commands where id = ?1 and client = ?2";
    COMMAND_REPORT = r"
        update commands set state = ?2, changed_ms = ?3, ends_ms = iif(?2 < 3, ?4, ?3), done = ifnull(?5, done), total = ifnull(?6, total),
            result = ifnull(?7, result), error_code = ?8, error_detail = ?9
        where n = ?1";
    COMMAND_VIEW = r"
        select n, id, client, kind, args, priority, state, job, actor, reason, created_ms, expires_ms, changed_ms, deliveries, done, total,
            result, error_code, error_detail
        from commands where id = ?1";
    COMMAND_EVENTS_OF = "select state, at_ms, actor, detail from command_events where command = ?1 order by state";
    COMMANDS_OLDER = r"
        select n, id, client, kind, args, priority, state, job, actor, reason, created_ms, expires_ms, changed_ms, deliveries, done, total,
            result, error_code, error_detail
        from commands where client = ?1 and n < ?2 order by n desc limit ?3";
    COMMANDS_NEWER = r"
        select n, id, client, kind, args, priority, state, job, actor, reason, created_ms, expires_ms, changed_ms, deliveries, done, total,
            result, error_code, error_detail
        from commands where client = ?1 and n > ?2 order by n limit ?3";
    COMMANDS_COUNT = "select count(*) from commands where client = ?1";
    /// Open commands by device, without those that a job holds back.
    COMMANDS_OPEN = r"
        select client, count(*) from commands c
        where state < 3 and not (state = 0 and exists (
            select 1 from drain_jobs d where d.id = cast(substr(c.job, 2) as integer) and d.holds = 1))
        group by client";
    /// Devices of the commands of a job that none of them has fetched, once for each.
    COMMANDS_OF_JOB_QUEUED = "select client from commands where job = ?1 and state = 0";
    /// Whether a command is held back.
    COMMAND_HELD = r"
        select 1 from commands c cross join drain_jobs d on d.id = cast(substr(c.job, 2) as integer)
        where c.n = ?1 and c.state = 0 and d.holds = 1";
    /// What is in escrow of a device and waits for a decision.
    ESCROWED_OPEN = "select count(*) from dead_letters where client = ?1 and state = 6";
    COMMAND_ESCROWING = "select kind, args, actor, reason, job from commands where id = ?1 and client = ?2";

    CONTROL_KEY_LIST = "select kid, n, public_key, created_ms, signed_by, signature from control_keys order by n";
    CONTROL_KEY_LAST = "select kid, n, secret_key from control_keys order by n desc limit 1";
    CONTROL_KEY_ADD = r"
        insert into control_keys (kid, n, public_key, secret_key, created_ms, signed_by, signature) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        on conflict do nothing";

    ARCHIVE_HAS = "select 1 from dead_letters where client = ?1 and operation_id = ?2";
    ARCHIVE_MUTATION = r"
        select id, client, operation_id, mutation, sealed, purge is not null as purged, together from dead_letters
        where client = ?1 and operation_id = ?2";
    /// An upload whose device now lets go of it, or is told to: it is kept like what comes up for the first time.
    ARCHIVE_TAKE = r"
        update dead_letters set origin = ?2, state = ?3, home = ?4, reason = ?5, actor = ?6, job = ?7, changed_ms = ?8, passes = ?9,
            restore_until_ms = ?10
        where id = ?1 and +origin = 2 and job is null and state in (0, 2) and purge is null";
    ARCHIVE_ADD = r"
        insert into dead_letters (id, client, operation_id, code, detail, mutation, origin, state, home, reason, actor, job, at_ms, changed_ms, sealed,
            passes, restore_until_ms, together)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15, ?16, ?17)";
    /// What was here alone came again among others of its group.
    ARCHIVE_JOIN = "update dead_letters set together = ?2 where id = ?1 and together is null";

    /// Devices that have handed something over which is not settled.
    HANDED_CLIENTS = r"
        select distinct client from dead_letters indexed by dead_letters_handed where origin <> 0 and state not in (1, 7) and purge is null";
    /// `[[client, operation], …]` were answered, and not with a refusal: what was handed over of them is settled.
    HANDED_SETTLE = r"
        update dead_letters set state = 1, reason = null, actor = null, changed_ms = ?2, restore_until_ms = null
        where id in (
            select d.id from json_each(?1) j
            cross join dead_letters d indexed by dead_letters_handed on d.client = j.value ->> 0 and d.operation_id = j.value ->> 1
            where d.origin <> 0 and d.state not in (1, 7) and d.purge is null)
        returning client, operation_id";
    /// `[[client, operation, origin, code, detail], …]`: what its device had uploaded and kept is refused here, or given up by it.
    HANDED_FAIL = r"
        update dead_letters set origin = j.value ->> 2, state = 0, code = j.value ->> 3, detail = j.value ->> 4, reason = null, actor = null,
            changed_ms = ?2
        from json_each(?1) j
        where dead_letters.client = j.value ->> 0 and dead_letters.operation_id = j.value ->> 1 and +dead_letters.origin = 2
            and +dead_letters.job is null and +dead_letters.state in (0, 2)
        returning dead_letters.client, dead_letters.operation_id";
    /// Which of `[operation, …]` of a device have an answer that is no refusal: their places in the list.
    ANSWERED_OF = r"
        select j.key from json_each(?1) j
        where exists (select 1 from changes c where c.operation_id = j.value and c.client = ?2)
            or exists (select 1 from conflicts k where k.operation_id = j.value and k.client = ?2)
            or exists (select 1 from dedupe m where m.client = ?2 and m.idem_key = j.value and m.status <> 5)
            or exists (select 1 from dedupe_prev m where m.client = ?2 and m.idem_key = j.value and m.status <> 5)";
    /// Rows that wait for an answer that is in the log.
    VERIFY_HANDED = r"
        select d.id from dead_letters d indexed by dead_letters_handed
        where d.origin <> 0 and d.state not in (1, 7) and d.purge is null
            and exists (select 1 from changes c where c.operation_id = d.operation_id and c.client = d.client) limit 100";

    ESCROW_KEY_ADD = "insert into escrow_keys (id, since_ms) values (?1, ?2) on conflict do nothing";
    /// Keys without which something does not open.
    ESCROW_KEYS_NEEDED = r"
        select k.id from escrow_keys k where exists (
            select 1 from dead_letters d indexed by dead_letters_sealed where d.sealed is not null and substr(d.sealed, 2, 8) = k.id)";
    /// Payloads that came by escrow and are not sealed.
    LETTERS_READABLE = r"
        select id, client, operation_id, mutation, sealed from dead_letters indexed by dead_letters_readable
        where origin in (2, 3) and sealed is null and purge is null order by id limit ?1";
    /// Payloads under a key, by their numbers.
    LETTERS_UNDER = r"
        select id, client, operation_id, mutation, sealed from dead_letters indexed by dead_letters_sealed
        where sealed is not null and substr(sealed, 2, 8) = ?1 and id > ?2 and id <= ?3 order by id limit ?4";
    LETTER_SEAL = "update dead_letters set mutation = ?2, sealed = ?3 where id = ?1";
    VERIFY_SEALED = r"
        select id, client, operation_id, mutation, sealed from dead_letters indexed by dead_letters_sealed
        where sealed is not null and (substr(sealed, 2, 8), id) > (?1, ?2) order by substr(sealed, 2, 8), id limit ?3";
    VERIFY_READABLE = r"
        select id from dead_letters indexed by dead_letters_readable
        where origin in (2, 3) and sealed is null and purge is null limit 100";

    VERIFY_COMMAND_STATES = "select ifnull(sum(state < 3), 0) from commands";
    VERIFY_COMMAND_EVENTS = "select ifnull(sum(state = 0), 0), ifnull(sum(state >= 3), 0) from command_events";
    /// Commands without an event for their state or for their issue, and those that ended more than once, or not at all.
    VERIFY_COMMANDS = r"
        select c.id from commands c
        where not exists (select 1 from command_events e where e.command = c.n and e.state = 0)
            or not exists (select 1 from command_events e where e.command = c.n and e.state = c.state)
            or (select count(*) from command_events e where e.command = c.n and e.state >= 3) <> (c.state >= 3)
        limit 100";
}
