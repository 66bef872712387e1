-- What came from a device by another way than a refusal and is not settled: looked at when the device sends it after all.
create index dead_letters_handed on dead_letters (client, operation_id) where origin <> 0 and state not in (1, 7) and purge is null;
-- Those that were sent and answered before anybody looked.
insert into entry_events (client, operation_id, state, job, at_ms, detail)
select d.client, d.operation_id, 10, d.job, d.changed_ms, 'applied' from dead_letters d
where d.origin in (1, 2) and d.state in (0, 2) and d.purge is null
    and exists (select 1 from changes c where c.operation_id = d.operation_id and c.client = d.client);
update dead_letters set state = 1, restore_until_ms = null
where origin in (1, 2) and state in (0, 2) and purge is null
    and exists (select 1 from changes c where c.operation_id = dead_letters.operation_id and c.client = dead_letters.client);
-- An upload that nobody has acted on is its device's to speak of: the mirror looks at each of them once more.
insert into entry_events (client, operation_id, at_ms)
select client, operation_id, changed_ms from dead_letters where origin = 2 and job is null and state in (0, 2);
