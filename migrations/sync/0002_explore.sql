-- One mutation, one trace: an operation is found by its id alone. UUIDv7 ids arrive nearly in order, so the index grows at its end.
create index changes_by_operation on changes (operation_id);
