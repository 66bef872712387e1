//! What few intents and few batches ask for beside what all of them say: order, togetherness, preconditions, other forms of
//! payload. Kept apart and boxed, so that a plain intent carries one empty pointer for all of it.

use serde_json::Value;

use super::{Body, Intent, IntentProblem};
use crate::ids::{ClientId, Epoch, GroupName, OperationId, Version};
use crate::policy::ConflictWish;

/// Most operations that one intent may depend on.
pub const DEPENDS_ON_MAX: usize = 32;
/// Most branches that one intent may merge.
pub const MERGES_MAX: usize = 32;
/// Most conflicts that one intent may settle.
pub const RESOLVES_MAX: usize = 32;
/// Most entries of a vector clock.
pub const VECTOR_MAX: usize = 64;
/// Most operations of one JSON patch.
pub const PATCH_OPS_MAX: usize = 256;

/// What an intent asks for beside its payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// Operations of the same device that must stand before this one.
    pub depends_on: Vec<OperationId>,
    /// Consecutive intents of one group commit or fail together.
    pub group: Option<GroupName>,
    /// The body that it was based on, as the device has it.
    pub base_body: Option<Body>,
    /// Operations of RFC 6902, in place of fields.
    pub patch: Option<Vec<Value>>,
    /// A named command of the collection, in place of fields.
    pub command: Option<Command>,
    /// Branches that it merges into the record, beside its base: both parents are named.
    pub merges: Vec<String>,
    /// Entries of the conflicts log that it settles.
    pub resolves: Vec<i64>,
    /// What it has seen, device by device, where its collection goes by that.
    pub vector: Option<VectorClock>,
    /// What it would like to become of it in a conflict; a hint.
    pub wish: Option<ConflictWish>,
    /// The device that made it, when another one relays it. Its signature has been checked.
    pub author: Option<ClientId>,
}

/// A vector clock: how many writes of each device were seen.
pub type VectorClock = std::collections::BTreeMap<String, i64>;

/// A named command with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// As the policy names it.
    pub name: String,
    /// Fields that the device fills in.
    pub args: Body,
}

/// What a batch asks for as a whole. The default is an ordinary batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchTerms {
    /// All or nothing.
    pub atomic: bool,
    /// With `atomic`: no record of the batch has changed after this.
    pub since: Option<SinceAsked>,
    /// The device's counter has no gaps.
    pub strict: bool,
    /// The device has stored the final answers up to this counter.
    pub ack_floor: Option<i64>,
    /// The one record of the batch has this version.
    pub if_match: Option<Version>,
    /// Signatures of single intents, to be checked before the engine sees them.
    pub signatures: Vec<IntentSignature>,
}

/// The signature of an intent, not yet checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentSignature {
    /// Place of the intent in its batch.
    pub at: usize,
    /// The bytes that were signed: the canonical JSON of the intent.
    pub message: Vec<u8>,
    /// Ed25519.
    pub signature: [u8; 64],
}

/// The public half of a key of a device: Ed25519.
pub type PublicKey = [u8; 32];

/// A position of the log as a device states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinceAsked {
    /// A cursor, or a number.
    pub text: String,
    /// Goes with a number.
    pub epoch: Option<Epoch>,
}

/// Why a batch was refused as a whole; nothing of it was kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problem.code)]
pub struct BatchRefusal {
    /// What is wrong.
    pub problem: IntentProblem,
    /// The intents at fault, by their place in the batch; the first few.
    pub intents: Vec<(usize, IntentProblem)>,
}

impl Intent {
    /// Its group.
    #[must_use]
    pub fn group(&self) -> Option<&GroupName> {
        match self {
            Self::Valid(mutation) => mutation.terms.as_ref()?.group.as_ref(),
            Self::Invalid { group, .. } => group.as_ref(),
        }
    }

    /// The device that made it, when another one relays it.
    #[must_use]
    pub fn author(&self) -> Option<&ClientId> {
        match self {
            Self::Valid(mutation) => mutation.terms.as_ref()?.author.as_ref(),
            Self::Invalid { .. } => None,
        }
    }

    /// The same intent, refused before the engine.
    #[must_use]
    pub fn refused(&self, problem: IntentProblem) -> Self {
        let Self::Valid(mutation) = self else { return self.clone() };
        let (operation_id, raw) = (mutation.operation_id.clone(), mutation.raw.clone());
        let (group, client_seq) = (self.group().cloned(), self.client_seq());
        Self::Invalid { operation_id, problem, group, client_seq, raw }
    }

    /// Its id.
    #[must_use]
    pub fn operation_id(&self) -> &OperationId {
        match self {
            Self::Valid(mutation) => &mutation.operation_id,
            Self::Invalid { operation_id, .. } => operation_id,
        }
    }

    /// Its place among the intents of its device.
    #[must_use]
    pub fn client_seq(&self) -> Option<i64> {
        match self {
            Self::Valid(mutation) => mutation.client_seq,
            Self::Invalid { client_seq, .. } => *client_seq,
        }
    }
}
