//! What a device did, as the server saw it: the facts that health stands on when a device reports nothing.

use crate::ids::{Scope, Seq};
use crate::sync::{IntentResult, ReportedLetter};

/// Something a device did, seen by the server: recorded when it starts, so that a device that never succeeds is visible.
#[derive(Clone, Debug)]
pub enum Contact {
    /// A push arrived.
    PushStarted {
        /// How many intents.
        intents: u32,
        /// How far the device's clock is ahead of the server's by when it says that it sent them, milliseconds; their way is in it.
        skew_ms: Option<i64>,
    },
    /// A push was answered.
    PushAnswered {
        /// Its answers.
        results: Vec<IntentResult>,
        /// Server time it took.
        took_ms: f64,
    },
    /// A push failed as a whole, e.g. `body_too_large`.
    PushRefused {
        /// Problem code.
        code: &'static str,
    },
    /// A page of the feed was served.
    Pulled {
        /// Scopes of the feed.
        scopes: Vec<Scope>,
        /// Position it moved to.
        to: Seq,
        /// Rows.
        rows: u32,
        /// Server time it took.
        took_ms: f64,
    },
    /// A pull failed, e.g. `cursor_expired`.
    PullRefused {
        /// Problem code.
        code: &'static str,
    },
    /// It reported what it has given up on.
    LettersReported {
        /// What was new to the archive; without their intents.
        letters: Vec<ReportedLetter>,
    },
    /// A token was refused.
    TokenRefused,
    /// It was enrolled. It is known from now on, and has not synced: that is no contact yet.
    Enrolled,
    /// Anything else: events stream opened, status asked.
    Seen,
}
