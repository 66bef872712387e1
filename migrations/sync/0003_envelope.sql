-- How far each device has come in its own counter: `last_client_seq` is the last one that a strict batch decided, `ack_floor` the
-- one up to which the device has stored every final answer. Both stay 0 for devices that use neither.
alter table clients add column last_client_seq integer not null default 0;
alter table clients add column ack_floor integer not null default 0;
-- The key of a device that signs: Ed25519, 32 bytes. Bound once; another key needs another device.
alter table clients add column public_key blob;

-- Nonces of signed requests, until no request that carries them can still be valid.
create table nonces (
    client integer not null,
    nonce  text    not null,
    exp_s  integer not null,
    primary key (client, nonce)
) strict, without rowid;
create index nonces_by_end on nonces (exp_s);
