//! A record as it stands now, for whoever has to know it before a write.

use super::Body;
use crate::hlc::Ticks;
use crate::ids::{Scope, Version};

/// A record as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordStanding {
    /// Where it is.
    pub scope: Scope,
    /// Its version.
    pub version: Version,
    /// Clock of its last write.
    pub ticks: Ticks,
    /// Its body; `None` when it has been deleted.
    pub body: Option<Body>,
}
