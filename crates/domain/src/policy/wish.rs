//! What a device would like to become of its write when somebody else was faster: a hint, honoured where the policy lists it
//! (`conflict_strategy` and `client_may`, `protocol.md` 2.6).

use serde_json::Value;

use super::PolicyError;
use super::read::wrong;

/// How a device would settle a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConflictWish {
    /// The write of the device stands.
    Local,
    /// The record stands.
    Remote,
    /// Field by field, on the base of the write.
    Merge,
    /// The newer of the two stands.
    Newest,
    /// A person decides.
    Person,
}

impl ConflictWish {
    /// Every wish, with its name in policies.
    pub const NAMES: [(&'static str, Self); 5] =
        [("local", Self::Local), ("remote", Self::Remote), ("merge", Self::Merge), ("lww", Self::Newest), ("user", Self::Person)];

    /// As policies write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES.into_iter().find(|(_, wish)| *wish == self).map_or("", |(name, _)| name)
    }

    /// Reads what a device sends, the words of its seed included: `semantic` merges, `ml_assisted` asks a person. `None` for a hint
    /// that nothing here can follow.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "semantic" => Some(Self::Merge),
            "ml_assisted" => Some(Self::Person),
            text => Self::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, wish)| wish),
        }
    }
}

/// Reads `["local", "merge", …]`.
pub(super) fn wishes_read(value: Option<&Value>) -> Result<Vec<ConflictWish>, PolicyError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let names = ConflictWish::NAMES.map(|(name, _)| name).join(", ");
    let items = value.as_array().ok_or_else(|| wrong("client_may", format!("must be a list of {names}")))?;
    let read = |(at, item): (usize, &Value)| {
        let wish = ConflictWish::NAMES.into_iter().find(|(name, _)| item.as_str() == Some(name)).map(|(_, wish)| wish);
        wish.ok_or_else(|| wrong(&format!("client_may[{at}]"), format!("must be one of {names}")))
    };
    items.iter().enumerate().map(read).collect()
}
