//! Pages, islands and actions of the console.
//!
//! Pages run on the server only; the browser half compiles [`islands`], [`icon`] and the stubs of [`actions`], nothing else.
//! Knows `service` and the read models of `domain`; knows neither SQL nor how HTTP is wired.

// Views are types that nest as deep as their markup.
#![recursion_limit = "512"]

#[cfg(all(feature = "ssr", feature = "hydrate"))]
compile_error!("`ssr` and `hydrate` are two halves: build each in its own cargo call");

pub mod actions;
pub mod icon;
pub mod islands;

#[cfg(feature = "ssr")]
pub mod charts;
#[cfg(feature = "ssr")]
pub mod context;
#[cfg(feature = "ssr")]
pub mod error;
#[cfg(feature = "ssr")]
pub mod format;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod paths;
#[cfg(feature = "ssr")]
pub mod shell;
#[cfg(feature = "ssr")]
pub mod ui;
