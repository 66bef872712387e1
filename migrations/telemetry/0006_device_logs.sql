-- Lines of the logs of devices, uploaded because a command asked for them: a row is one upload, and the last few of each device are kept.
create table device_logs (
    n          integer primary key autoincrement, -- order of arrival
    command    text    not null constraint device_logs_command_unique unique,
    client_id  text    not null,
    stored_ms  integer not null,
    lines      integer not null constraint device_logs_lines_range check (lines between 0 and 10000),
    bytes      integer not null,                  -- of the lines before they were packed
    begins_ms  integer,                           -- since when the log of the device went back
    dropped    integer not null default 0,        -- lines that the limit of that log had cost it since
    body       blob    not null                   -- zstd; a line is [at, place in LogLevel::ALL, target, message]
) strict;
create index device_logs_by_client on device_logs (client_id, n);
