-- Who holds up whom is asked by device and record: an id that many devices have must not be looked through.
drop index outbox_by_record;
create index outbox_by_record on outbox (record_id collate nocase, device);
