-- Staff, their sessions, and every token. Secrets are never here: passwords as Argon2id, tokens as SHA-256.

create table users(
  name text primary key,
  role text not null constraint user_role check (role in ('viewer', 'support', 'operator', 'product_owner', 'admin')),
  password text not null,                 -- PHC string
  created_ms integer not null
) strict, without rowid;

create table sessions(
  id text primary key,
  data text not null constraint session_data check (json_valid(data)),
  expires_ms integer not null
) strict, without rowid;
create index sessions_by_expiry on sessions(expires_ms);

-- Tokens that staff make. A revoked one stays, so that the list and the audit log can name it.
create table tokens(
  name text primary key,
  kind text not null constraint token_kind check (kind in ('enrolment', 'api')),
  hash blob not null constraint token_hash unique,
  role text,                              -- of an API token
  scopes text,                            -- of an enrolment token: JSON array
  created_ms integer not null,
  created_by text not null,
  revoked_ms integer,
  constraint token_kind_members check ((kind = 'api') = (role is not null) and (kind = 'enrolment') = (scopes is not null))
) strict, without rowid;

-- One pair per device. The refresh token before the current one works until the current pair has been used once: the answer that
-- carried it may have been lost on the way.
create table device_tokens(
  client_id text primary key,
  principal text not null,
  scopes text not null,                   -- JSON array
  access_hash blob not null constraint device_access_hash unique,
  access_expires_ms integer not null,
  refresh_hash blob not null constraint device_refresh_hash unique,
  refresh_expires_ms integer not null,
  previous_refresh_hash blob constraint device_previous_refresh_hash unique,
  issued_ms integer not null,
  revoked_ms integer
) strict, without rowid;

-- Counts what takes rights away, so that a process notices what another one did (the command line while the server runs).
create table auth_revision(only integer primary key check (only = 1), n integer not null) strict;
insert into auth_revision(only, n) values (1, 1);
create trigger users_changed after update on users begin update auth_revision set n = n + 1; end;
create trigger users_removed after delete on users begin update auth_revision set n = n + 1; end;
create trigger tokens_changed after update on tokens begin update auth_revision set n = n + 1; end;
create trigger device_tokens_revoked after update of revoked_ms on device_tokens when new.revoked_ms is not old.revoked_ms
begin update auth_revision set n = n + 1; end;
