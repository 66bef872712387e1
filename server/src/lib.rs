//! The tidewatch server: HTTP API, console, jobs, command line.
//!
//! [`router`] lists every route and who may take it. [`api`] speaks problem JSON, [`console`] speaks pages; both call the
//! same use cases. The wall clock and the environment are read here and nowhere below.

// The types of the pages nest as deep as their markup, and this crate is where their layout is computed.
#![recursion_limit = "512"]

pub mod api;
pub mod assets;
pub mod capture;
pub mod cli;
pub mod clock;
pub mod console;
pub mod demo;
pub mod errand;
pub mod export;
pub mod frame;
pub mod gate;
pub mod intents;
pub mod jobs;
pub mod observe;
pub mod router;
pub mod serve;
pub mod settings;
pub mod simulate;
pub mod state;
pub mod tickets;
