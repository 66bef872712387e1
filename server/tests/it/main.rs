//! The server over HTTP, as one program: the site and the store are linked once, not once a file.

mod adapters;
mod arxos;
mod authorisation;
mod backfill;
mod bad_input;
mod captures;
mod console_drain;
mod control;
mod crash;
mod dead_letters;
mod devices;
mod drain;
mod drain_crash;
mod drain_device;
mod feed;
mod openapi;
mod outbox;
mod pages_lists;
mod payloads;
mod power_loss;
mod prebuilt;
mod push;
mod real_binary;
mod sessions;
mod signed;
mod sync;
