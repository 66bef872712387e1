-- Jobs that ended with failures which nobody has seen: whoever asks for what needs a person finds them however many came after.
create index drain_jobs_unseen on drain_jobs (id) where finished_ms is not null and failed > 0 and acknowledged_ms is null;
