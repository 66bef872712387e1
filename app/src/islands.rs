//! What hydrates in the browser: the as-of stamp with its event stream, and the palette. Everything else is plain server HTML.

pub mod live;
pub mod palette;
