//! The entries of a frozen set as pages list them.

use crate::drain::DrainAction;
use crate::ids::ClientId;
use crate::report::EntryState;

/// Why an entry is in a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberPart {
    /// It was selected.
    Selected,
    /// It was not, and belongs to the group of one that was.
    Together,
    /// It waits behind one that was.
    Behind,
}

impl MemberPart {
    /// As wire and pages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Together => "together",
            Self::Behind => "behind",
        }
    }
}

/// One entry of a frozen set, before anything is done with it and afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct DrainMemberRow {
    /// Device.
    pub client_id: ClientId,
    /// Its name.
    pub device_name: String,
    /// Operation.
    pub operation_id: String,
    /// Collection and record that it writes to; none when it is not listed any more and its payload is not here.
    pub record: Option<(String, String)>,
    /// Where it stands now; none when it is not listed any more.
    pub state: Option<EntryState>,
    /// Why it is in the set.
    pub part: MemberPart,
    /// What is done with it: the action of the set, or hold.
    pub action: DrainAction,
    /// Whether the archive has its payload.
    pub payload_known: bool,
}
