-- Payloads that came by escrow are sealed: `sealed` holds the whole intent, and `mutation` what a purge would leave of it, which is what
-- lists are made of. Rows of before are sealed when the store is opened.

-- Keys that payloads here were sealed with, by their ids; the keys themselves are in a file.
create table escrow_keys (
    id       blob    primary key constraint escrow_keys_id_length check (length(id) = 8),
    since_ms integer not null
) strict, without rowid;

alter table dead_letters add column sealed blob;            -- version, id of its key, nonce, the intent; null when `mutation` holds it
create index dead_letters_sealed on dead_letters (substr(sealed, 2, 8), id) where sealed is not null;
create index dead_letters_readable on dead_letters (id) where origin in (2, 3) and sealed is null and purge is null;
