-- Indexes that every write paid for and no statement reads: audit rows are read by their numbers, the archive by device, operation and number.
drop index audit_events_by_actor;
drop index audit_events_by_action;
drop index audit_events_by_subject;
drop index dead_letters_by_state;
-- Items are looked for by their command only while they wait for their device.
drop index drain_items_by_command;
create index drain_items_by_command on drain_items (command, n) where outcome = 1;
