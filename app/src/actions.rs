//! Server functions: writes, and the few reads that islands need. Each is a public endpoint: it authorises through the service.

pub mod commands;
pub mod drain;
pub mod palette;
pub mod reveal;
pub mod session;
