-- What a device sent as one group stands or falls together, also when it is tried again. Each row of the archive that was put there with
-- others of its group names the first of them; the name that the device gave the group is not needed, and is not kept of what is sealed.
alter table dead_letters add column together integer;
update dead_letters set together = g.first from (
    select client, at_ms, mutation ->> 'group' as name, min(id) as first from dead_letters
    where iif(json_valid(mutation), mutation ->> 'group', null) is not null group by 1, 2, 3) g
where dead_letters.client = g.client and dead_letters.at_ms = g.at_ms
    and iif(json_valid(dead_letters.mutation), dead_letters.mutation ->> 'group', null) = g.name;
create index dead_letters_together on dead_letters (together) where together is not null;

-- Members of a set that are decided together, and those that were not selected and came along because of that.
alter table drain_items add column together integer;
alter table drain_items add column along integer not null default 0 constraint drain_items_along_flag check (along in (0, 1));
create index drain_items_together on drain_items (set_id, together, n) where together is not null;
