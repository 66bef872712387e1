//! The `tidewatch` binary. What it does is in [`tidewatch_server::cli`].

#![recursion_limit = "512"]

/// A page of the feed and a batch of intents are many short-lived pieces of many sizes, and SQLite allocates as much as we do: with the
/// system's allocator both cost a tenth more, and what a bulk has freed stays with the process (ADR 15).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    tidewatch_server::cli::main()
}
