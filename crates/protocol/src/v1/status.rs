//! `POST /mutations/status`: what became of operations, after a crash or a lost answer.

use serde::{Deserialize, Serialize};
use tidewatch_domain::ids::OperationId;

use crate::limits::STATUS_OPERATIONS_MAX;
use crate::members::Members;
use crate::problem::{Code, FieldError, Problem};
use crate::v1::mutations::MutationResult;
use crate::v1::raw::Envelope;

/// Asks for operations of the acting device.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StatusRequest {
    /// Must be the acting device.
    pub client_id: String,
    /// At most 1,000.
    pub operation_ids: Vec<String>,
}

/// The answer, in the order asked.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StatusAnswered {
    /// One per operation; `unknown` when the server never saw it.
    pub results: Vec<MutationResult>,
    /// Pause before the next look, milliseconds.
    pub poll_after_ms: i64,
}

/// A status request as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRead {
    /// The device it names, if it does.
    pub client_id: Option<String>,
    /// Operations, in the order asked.
    pub operations: Vec<OperationId>,
}

/// Reads a status request.
///
/// # Errors
/// `json_invalid`, `envelope_invalid` or `batch_too_large`, naming the member.
pub fn status_read(body: &[u8]) -> Result<StatusRead, Problem> {
    let envelope = Envelope::read(body, &["operation_ids"])?;
    let invalid = |error: FieldError| Problem::new(Code::EnvelopeInvalid).field(error);
    let members = Members::of(&envelope.members, "").map_err(invalid)?;
    let items =
        envelope.items("operation_ids", STATUS_OPERATIONS_MAX)?.ok_or_else(|| invalid(members.missing("operation_ids")))?;
    let mut operations = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let fault = |detail: String| invalid(FieldError::new(format!("operation_ids[{at}]"), detail));
        let text: String = serde_json::from_str(item.get()).map_err(|_| fault("must be a string".to_owned()))?;
        operations.push(OperationId::parse(text).map_err(|error| fault(error.to_string()))?);
    }
    Ok(StatusRead { client_id: members.text_owned("client_id", 64).map_err(invalid)?, operations })
}
