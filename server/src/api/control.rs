//! The control channel of devices: it works when the data sync of that device does not. Its rate limit, its places and its readers
//! are its own.

mod escrow;
mod keys;
mod logs;
mod poll;
mod status;

pub use escrow::{__path_escrow_put, escrow_put};
pub use keys::{__path_control_keys, control_keys};
pub use logs::{__path_logs_put, logs_put};
pub use poll::{__path_commands_poll, commands_poll};
pub use status::{__path_command_report, command_report};
