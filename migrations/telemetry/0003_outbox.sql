-- The outbox across devices: groups of failures, lists by age, look-ups by record and operation.
drop index outbox_poisoned;
-- Groups are counted, and listed worst and oldest first, from this index alone.
create index outbox_failed on outbox (signature, state, sort_age, device, operation_id, refused_ms, first_seen_ms)
    where state <= 1 and signature is not null;
create index outbox_worst on outbox (state, sort_age, device, operation_id);
create index outbox_by_collection on outbox (collection, state, sort_age, device, operation_id);
-- Ids are typed by hand and pasted from anywhere.
create index outbox_by_record on outbox (record_id collate nocase);
create index outbox_by_operation on outbox (operation_id collate nocase);
