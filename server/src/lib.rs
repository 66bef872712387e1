//! The tidewatch server: HTTP API, console, jobs, command line.

pub mod assets;
