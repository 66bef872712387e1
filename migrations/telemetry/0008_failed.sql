-- Since when an entry fails: one that was seen as queued and fails later is new among the failed, and one that was retried and failed
-- once more is new again.
alter table outbox add column failed_ms integer; -- since when it is poisoned or retrying; null in other states
update outbox set failed_ms = coalesce(refused_ms, first_seen_ms) where state <= 1;
drop index outbox_failed;
create index outbox_failed on outbox (signature, state, sort_age, device, operation_id, failed_ms)
    where state <= 1 and signature is not null;
