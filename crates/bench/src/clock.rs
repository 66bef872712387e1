//! The machine's clock, read here and nowhere else in this crate.

use std::time::{SystemTime, UNIX_EPOCH};

use tidewatch_domain::time::Millis;

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the driver's edge to the clock")]
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    Millis(i64::try_from(since.as_millis()).expect("milliseconds since 1970 fit for ages"))
}
