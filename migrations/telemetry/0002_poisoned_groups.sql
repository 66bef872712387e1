-- The groups of failures are counted from the index alone.
drop index outbox_poisoned;
create index outbox_poisoned on outbox (signature, device, refused_ms, first_seen_ms) where state = 0;
