//! What a device has given up on, as it reports it.

use crate::ids::OperationId;
use crate::report::ReportedError;
use crate::time::Millis;

/// One dead letter of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedLetter {
    /// Operation.
    pub operation_id: OperationId,
    /// The intent as it lies in the device's queue, JSON text.
    pub mutation: String,
    /// Why the device gave up.
    pub error: ReportedError,
    /// How often it was tried.
    pub attempts: Option<i64>,
    /// When it was tried last, by the device's clock.
    pub failed_at: Option<Millis>,
}

/// What became of a report of dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedLetters {
    /// Kept now.
    pub accepted: u32,
    /// Kept before.
    pub duplicates: u32,
    /// Not kept: the log has an answer that is no refusal.
    pub settled: Vec<OperationId>,
}
