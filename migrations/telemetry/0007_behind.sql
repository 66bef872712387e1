-- What was refused because of an operation that it depends on waits behind that one as well.
create index outbox_refused_behind on outbox (device, sort_age, operation_id) where state = 0 and error_code = 'dependency_failed';
