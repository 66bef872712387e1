-- Secrets of the store itself, made when they are first needed. `redaction` names the values of payloads (see ADR 0012): whoever has
-- it can try whether a name stands for a text, so it stays beside the tokens and leaves the store by no way but a backup.
create table secrets(
  name text primary key,
  value blob not null constraint secret_length check (length(value) = 32)
) strict, without rowid;

-- Who may see which payload plainly, and until when. Why is in the audit log.
create table reveals(
  actor text not null,                    -- as the audit log names them
  client_id text not null,
  operation_id text not null,
  until_ms integer not null,
  primary key (actor, client_id, operation_id)
) strict, without rowid;
create index reveals_by_end on reveals(until_ms);
