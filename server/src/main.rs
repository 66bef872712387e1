//! The `tidewatch` binary. What it does is in [`tidewatch_server::cli`].

fn main() -> std::process::ExitCode {
    tidewatch_server::cli::main()
}
