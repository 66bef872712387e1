//! The file of the keys: a line of 64 hex digits each, newest first; lines that begin with `#` are for people. It is made once, whole and
//! synced, before anything is sealed with what is in it; later it is only read. Every function here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{KeyBytes, random};
use crate::owned::private;
use crate::{Error, Result};

/// Its name, when nobody says where it is.
const NAME: &str = "escrow.key";
/// Most bytes of the file.
const FILE_BYTES_MAX: u64 = 16 * 1_024;
const WORDS: &str = "# Opens the payloads that devices handed over in escrow. Keep a copy apart from the backups of the database.\n\
    # One key a line, newest first.\n";

/// Where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyFile(PathBuf);

impl KeyFile {
    /// The one that was chosen, or the one beside the files of the store.
    pub(crate) fn of(dir: &Path, chosen: Option<&Path>) -> Self {
        Self(chosen.map_or_else(|| dir.join(NAME), Path::to_path_buf))
    }

    /// Says what is wrong with it.
    pub(crate) fn fault(&self, detail: impl Into<String>) -> Error {
        Error::EscrowKey { file: self.0.display().to_string(), detail: detail.into() }
    }

    /// The keys, newest first; `None` when there is no such file.
    ///
    /// # Errors
    /// It cannot be read, or holds anything else than keys.
    pub(crate) fn read(&self) -> Result<Option<Vec<KeyBytes>>> {
        let opened = match File::open(&self.0) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.fault(format!("cannot be read: {error}"))),
        };
        let mut text = String::new();
        let read = opened.take(FILE_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| self.fault(format!("cannot be read: {error}")))?;
        let (mut keys, mut number) = (Vec::new(), 0);
        for line in text.lines().map(str::trim) {
            number += 1;
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut key: KeyBytes = [0; 32];
            hex::decode_to_slice(line, &mut key).map_err(|_| self.fault(format!("line {number} is no key of 64 hex digits")))?;
            keys.push(key);
        }
        if keys.is_empty() { Err(self.fault("holds no key")) } else { Ok(Some(keys)) }
    }

    /// Makes the file with a fresh key, readable by its owner alone; on the disk when it returns. One that is there already is not
    /// touched: then its keys are the answer.
    ///
    /// # Errors
    /// The file system, or no randomness.
    pub(crate) fn make(&self) -> Result<Vec<KeyBytes>> {
        let fresh: KeyBytes = random()?;
        let made = self.write(&format!("{WORDS}{}\n", hex::encode(fresh)));
        match made {
            Ok(()) => Ok(vec![fresh]),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.read()?.ok_or_else(|| self.fault("comes and goes"))
            }
            Err(error) => Err(self.fault(format!("cannot be made: {error}"))),
        }
    }

    /// Whole or not at all, and never over another one.
    fn write(&self, text: &str) -> io::Result<()> {
        let folder = match self.0.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let mut unnamed = self.0.clone().into_os_string();
        unnamed.push(format!(".{}", std::process::id()));
        let unnamed = PathBuf::from(unnamed);
        let mut target = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&unnamed)?;
        let written = target.write_all(text.as_bytes()).and_then(|()| target.sync_all());
        let named = written.and_then(|()| fs::hard_link(&unnamed, &self.0));
        fs::remove_file(&unnamed)?;
        named?;
        File::open(folder)?.sync_all()
    }
}
