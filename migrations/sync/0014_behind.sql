-- What waited behind the entries of a frozen set and is let go with it: known by name, so that the log can say what became of it.
create table drain_behind (
    set_id       integer not null,
    client       integer not null,
    operation_id text    not null,
    primary key (set_id, client, operation_id)
) strict, without rowid;
