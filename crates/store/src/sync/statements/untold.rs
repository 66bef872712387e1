//! Statements about what devices have not been told yet.

use super::Insert;

inserts! {
    /// What devices are told now. It takes the place of what they were to be told before.
    UNTOLD_ADD = "insert into untold (client, operation_id, job, n, word, command, since_ms)", 7, r"
        on conflict (client, operation_id) do update set job = excluded.job, n = excluded.n, word = excluded.word, command = excluded.command,
            since_ms = excluded.since_ms, times = 0, again_ms = null";
}

statements! {
    /// `[operation, …]`: a device has answered these entries of a command.
    UNTOLD_ANSWERED = r"
        delete from untold where client = ?1 and command = ?2 and operation_id in (select value from json_each(?3))";
    /// `[[client, operation], …]`: there is nothing to tell of these any more.
    UNTOLD_DROP = r"
        delete from untold where (client, operation_id) in (select j.value ->> 0, j.value ->> 1 from json_each(?1) j)";
    /// A command has ended without the word of its device: when it is said again, at once or after a pause that doubles from an hour to a day.
    UNTOLD_ENDED = r"
        update untold set again_ms = ?3 + iif(?4, 0, min(86400000, 3600000 << min(times, 5)))
        where client = ?1 and command = ?2 and again_ms is null";
    /// `[operation, …]` of a command are told by another one.
    UNTOLD_REISSUED = r"
        update untold set command = ?3, again_ms = null
        where client = ?1 and command = ?2 and operation_id in (select value from json_each(?4))";
    /// What a device is to be told again by now, with what its last command was given out for, and whether its job holds it back.
    UNTOLD_DUE = r"
        select u.operation_id, u.job, u.n, u.word, c.actor, c.reason, d.holds
        from untold u indexed by untold_due
        cross join commands c on c.id = u.command
        cross join drain_jobs d on d.id = u.job
        where u.client = ?1 and u.again_ms <= ?2 order by u.again_ms limit ?3";
    /// Of `[[client, operation], …]`: the places of those that their devices have certainly not heard of, since nobody has fetched what tells.
    UNTOLD_UNHEARD = r"
        select j.key as at from json_each(?1) j
        cross join untold u on u.client = j.value ->> 0 and u.operation_id = j.value ->> 1 and u.times = 0
        cross join commands c on c.id = u.command and c.handed_ms is null";
    /// `[operation, …]` of a device are told once more.
    UNTOLD_AGAIN = r"
        update untold set command = ?3, times = times + 1, again_ms = null
        where client = ?1 and operation_id in (select value from json_each(?2))";
    /// `[operation, …]` of a device are told later.
    UNTOLD_LATER = "update untold set again_ms = ?3 where client = ?1 and operation_id in (select value from json_each(?2))";
    /// Of `[[client, operation], …]`: the places of those that a command tells of which nobody has fetched, with that command.
    UNTOLD_QUEUED = r"
        select j.key as at, c.id from json_each(?1) j
        cross join untold u on u.client = j.value ->> 0 and u.operation_id = j.value ->> 1
        cross join commands c on c.id = u.command and c.state = 0";
    /// What a device has not been told of what was decided until a moment.
    UNTOLD_UNTIL = "select operation_id from untold where client = ?1 and since_ms <= ?2";
    UNTOLD_OF_CLIENT = "delete from untold where client = ?1";
    /// `[client, …]`: whether there is something to tell, and from when on it is to be said again.
    UNTOLD_CLIENTS = r"
        select j.value, exists (select 1 from untold u where u.client = j.value),
            (select min(u.again_ms) from untold u indexed by untold_due where u.client = j.value and u.again_ms is not null)
        from json_each(?1) j";
    UNTOLD_ALL = "select client, min(again_ms) from untold group by client";
    UNTOLD_OF_JOB = "select count(*) from untold where job = ?1";
    UNTOLD_OF_ENTRY = "select word, command, since_ms, times, again_ms from untold where client = ?1 and operation_id = ?2";

    /// `[operation, …]`: items that wait for their device are told by another command.
    ITEMS_REISSUED = r"
        update drain_items set command = ?2
        where command = ?1 and outcome = 1 and operation_id in (select value from json_each(?3))";
    /// A command that no device has fetched.
    COMMAND_QUEUED = "select client, args, job, actor, reason, priority from commands where id = ?1 and state = 0";

    /// Rows that do not fit their command, their item, or where the archive has the entry.
    VERIFY_UNTOLD = r"
        select u.client, u.operation_id from untold u
        left join commands c on c.id = u.command and c.client = u.client
        left join drain_jobs j on j.id = u.job
        left join drain_items i on i.set_id = j.set_id and i.n = u.n and i.client = u.client and i.operation_id = u.operation_id
        left join dead_letters d on d.client = u.client and d.operation_id = u.operation_id
        where c.id is null or (c.state < 3) <> (u.again_ms is null) or i.n is null
            or not iif(u.word = 'retry', d.id is null or d.state in (0, 1, 6, 7), ifnull(case u.word
                when 'hold' then d.state = 2 when 'skip' then d.state = 3 when 'quarantine' then d.state = 4
                when 'discard' then d.state in (5, 7) end, 0))
        limit 100";
    /// Rows, and those of them that their command names with their word.
    VERIFY_UNTOLD_NAMED = r"
        select (select count(*) from untold), count(*)
        from (select distinct client, command from untold) x
        cross join commands c on c.id = x.command
        cross join json_each(c.args, '$.entries') e
        cross join untold u on u.client = x.client and u.operation_id = e.value ->> 'operation_id'
        where u.command = x.command and u.word = e.value ->> 'action'";
}
