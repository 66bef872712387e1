//! The `tidewatch` binary. What it does is in [`tidewatch_server::cli`].

#![recursion_limit = "512"]

fn main() -> std::process::ExitCode {
    tidewatch_server::cli::main()
}
