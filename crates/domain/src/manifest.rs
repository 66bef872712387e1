//! What a file of rows says of itself, so that whoever has it can tell whether all of it is there: how many rows, and the SHA-256 of the
//! bytes. The last line of a file with one JSON object a line, or beside a file of another kind.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What is counted while a file is written or read.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    count: u64,
    bytes: u64,
    hasher: Sha256,
}

impl Tally {
    /// Counts bytes that hold so many rows.
    pub fn add(&mut self, bytes: &[u8], rows: u64) {
        self.count += rows;
        self.bytes += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    /// What it comes to so far.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        Manifest { count: self.count, bytes: self.bytes, sha256: hex::encode(self.hasher.clone().finalize()) }
    }
}

/// Rows, bytes and hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Rows; a head line is none.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
}

/// Why a file is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
    /// It has no last line that says what came before it.
    #[error("it has no manifest: the end is missing")]
    Cut,
    /// The manifest is of other bytes.
    #[error("its manifest says {told:?}, it holds {found:?}")]
    Differs {
        /// As the last line says.
        told: Manifest,
        /// As it is.
        found: Manifest,
    },
}

impl Manifest {
    /// The members of the last line.
    #[must_use]
    pub fn members(&self) -> Value {
        json!({"control": "manifest", "count": self.count, "bytes": self.bytes, "sha256": self.sha256})
    }

    /// The last line of a file with one JSON object a line, with its line break.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}\n", self.members())
    }

    /// Reads [`Manifest::line`], also when it has more members; `None` for any other line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        if value["control"] != "manifest" {
            return None;
        }
        let (count, bytes) = (value["count"].as_u64()?, value["bytes"].as_u64()?);
        Some(Self { count, bytes, sha256: value["sha256"].as_str()?.to_owned() })
    }

    /// Checks a whole file with one JSON object a line.
    ///
    /// # Errors
    /// When its end is missing, or its manifest is of other bytes.
    pub fn check(text: &str) -> Result<Self, NotWhole> {
        let body = text.strip_suffix('\n').ok_or(NotWhole::Cut)?;
        let begin = body.rfind('\n').map_or(0, |at| at + 1);
        let told = Self::parse(&body[begin..]).ok_or(NotWhole::Cut)?;
        let mut tally = Tally::default();
        let rows = &text[..begin];
        tally.add(rows.as_bytes(), rows.lines().count() as u64);
        let found = tally.manifest();
        if found == told { Ok(told) } else { Err(NotWhole::Differs { told, found }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> String {
        let rows = "{\"id\":1}\n{\"id\":2,\"control\":\"é\"}\n";
        let mut tally = Tally::default();
        tally.add(&rows.as_bytes()[..10], 1);
        tally.add(&rows.as_bytes()[10..], 1);
        format!("{rows}{}", tally.manifest().line())
    }

    #[test]
    fn a_whole_file_says_what_is_in_it() {
        let manifest = Manifest::check(&file()).expect("whole");
        assert_eq!((manifest.count, manifest.bytes), (2, 33));
        let empty = Tally::default().manifest();
        assert_eq!(Manifest::check(&empty.line()), Ok(empty));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_not_whole() {
        let whole = file();
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert_eq!(Manifest::check(&whole[..end]), Err(NotWhole::Cut), "{end}");
        }
    }

    #[test]
    fn another_byte_or_a_missing_row_is_told() {
        let whole = file();
        let missing = whole.split_once('\n').expect("two rows").1;
        for changed in [whole.replacen('1', "7", 1), missing.to_owned()] {
            assert!(matches!(Manifest::check(&changed), Err(NotWhole::Differs { .. })), "{changed}");
        }
    }
}
