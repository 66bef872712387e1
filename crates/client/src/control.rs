//! What a client keeps of the control channel (`control.md` 4): the keys that it trusts, the commands that it has taken, and those that it
//! has done. A command is taken once it is verified and written down, and is obeyed once, however often it comes.

use std::collections::VecDeque;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidewatch_domain::time::Millis;
use tidewatch_protocol::v1::control::{command_bytes, key_bytes};
use tidewatch_protocol::{Timestamp, keys};

/// Ids of ended commands that are remembered.
const OBEYED_MAX: usize = 2_000;
/// Keys that are kept.
const KEYS_MAX: usize = 64;

/// A key that signs commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedKey {
    /// Its name.
    pub kid: String,
    /// The 32 bytes in base64.
    pub public_key: String,
}

impl PinnedKey {
    fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let key = keys::bytes_read::<32>(&self.public_key).and_then(|key| VerifyingKey::from_bytes(&key).ok());
        let signature = keys::bytes_read::<64>(signature).map(|bytes| Signature::from_bytes(&bytes));
        key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
    }
}

/// A command that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// Id.
    pub id: String,
    /// What.
    pub kind: String,
    /// Its arguments.
    pub args: Value,
    /// 1 (first) to 5.
    pub priority: i64,
    /// Of a resync: what was unsent is in escrow, and a fresh copy is on its way.
    #[serde(default)]
    pub pulling: bool,
    /// Of a resync: so many operations went into escrow.
    #[serde(default)]
    pub escrowed: u64,
    /// The last word about it, which the server has not confirmed yet.
    #[serde(default)]
    pub report: Option<Value>,
}

/// What became of an entry of a `drain` command, and what takes its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drained {
    /// Which.
    pub operation_id: String,
    /// What was done; none when it was refused or not there.
    pub action: Option<String>,
    /// The corrected intent in its frozen form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<Box<str>>,
}

/// The control channel of one client, as its journal keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Commands {
    keys: Vec<PinnedKey>,
    open: Vec<Taken>,
    obeyed: VecDeque<String>,
    /// Revision of the server's configuration that is in force here.
    pub collections_revision: Option<i64>,
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It was taken before.
    Known,
    /// Its key is not known here.
    UnknownKey,
    /// It is not for this device, or its signature does not hold.
    Forged,
    /// It cannot be read.
    Broken,
}

impl Commands {
    /// Keys that are trusted, oldest first.
    #[must_use]
    pub fn keys(&self) -> &[PinnedKey] {
        &self.keys
    }

    /// Commands that were taken and have not ended, in the order in which they came.
    #[must_use]
    pub fn open(&self) -> &[Taken] {
        &self.open
    }

    /// Ids of commands that have ended, oldest first.
    pub fn obeyed(&self) -> impl Iterator<Item = &str> {
        self.obeyed.iter().map(String::as_str)
    }

    /// The one to look after: the most urgent, and of those the first that came.
    #[must_use]
    pub fn focus(&self) -> Option<&Taken> {
        self.open.iter().min_by_key(|taken| taken.priority)
    }

    pub(crate) fn open_mut(&mut self, id: &str) -> Option<&mut Taken> {
        self.open.iter_mut().find(|taken| taken.id == id)
    }

    pub(crate) fn pin(&mut self, keys: Vec<PinnedKey>) {
        self.keys = keys;
    }

    pub(crate) fn take(&mut self, taken: Taken) {
        if !self.knows(&taken.id) {
            self.open.push(taken);
        }
    }

    pub(crate) fn end(&mut self, id: &str) {
        self.open.retain(|taken| taken.id != id);
        self.obeyed.push_back(id.to_owned());
        while self.obeyed.len() > OBEYED_MAX {
            self.obeyed.pop_front();
        }
    }

    /// Whether a command was taken before.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.open.iter().any(|taken| taken.id == id) || self.obeyed.iter().any(|known| known == id)
    }

    /// Checks a command as it came, for the device of this id.
    ///
    /// # Errors
    /// Why it is not to be taken.
    pub fn verify(&self, command: &Value, client_id: &str) -> Result<Taken, NotTaken> {
        let text = |name: &str| command.get(name).and_then(Value::as_str);
        let (Some(id), Some(kind), Some(kid)) = (text("id"), text("kind"), text("kid")) else { return Err(NotTaken::Broken) };
        if self.knows(id) {
            return Err(NotTaken::Known);
        }
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or(NotTaken::UnknownKey)?;
        let holds = text("sig").is_some_and(|sig| key.verifies(&command_bytes(command), sig));
        if !holds || text("client_id") != Some(client_id) {
            return Err(NotTaken::Forged);
        }
        let priority = command.get("priority").and_then(Value::as_i64).unwrap_or(3);
        let args = command.get("args").cloned().unwrap_or(Value::Null);
        Ok(Taken { id: id.to_owned(), kind: kind.to_owned(), args, priority, pulling: false, escrowed: 0, report: None })
    }

    /// The keys to trust after the server has published these: those that are trusted already, and every key that the one before it
    /// vouches for. A client that trusts none yet trusts the first that it sees.
    #[must_use]
    pub fn followed(&self, published: &Value) -> Vec<PinnedKey> {
        let mut trusted = self.keys.clone();
        for entry in published.get("keys").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str);
            let (Some(kid), Some(public_key)) = (text("kid"), text("public_key")) else { continue };
            if trusted.iter().any(|key| key.kid == kid) {
                continue;
            }
            let next = PinnedKey { kid: kid.to_owned(), public_key: public_key.to_owned() };
            let vouched = || {
                let public = keys::bytes_read::<32>(public_key)?;
                let created = text("created_at").and_then(Millis::parse_rfc3339)?;
                let before = trusted.iter().find(|key| Some(key.kid.as_str()) == text("signed_by"))?;
                before.verifies(&key_bytes(kid, &public, Timestamp(created)), text("sig")?).then_some(())
            };
            if trusted.is_empty() || vouched().is_some() {
                trusted.push(next);
            }
        }
        let surplus = trusted.len().saturating_sub(KEYS_MAX);
        trusted.split_off(surplus)
    }
}

#[cfg(test)]
mod tests;
