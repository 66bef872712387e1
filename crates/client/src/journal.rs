//! The journal under a client: frames of length, CRC and content, appended and never changed.
//!
//! A frame that is cut off or does not match its sum ends the journal: what a crash tore was never confirmed to anybody.
//! Compaction writes the whole new content beside the old and renames it over, so a crash leaves one or the other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rand::{Rng, RngCore};

/// The largest frame that is read back: far above any page, far below what a broken length could ask for.
const FRAME_BYTES_MAX: usize = 64 << 20;
/// Length and CRC.
const HEAD_BYTES: usize = 8;

/// Where a client keeps what must outlive a crash.
pub trait Journal {
    /// Every whole frame, oldest first.
    ///
    /// # Errors
    /// As the storage.
    fn read(&mut self) -> io::Result<Vec<Vec<u8>>>;

    /// Appends one frame. With `durable` it is on the disk when this returns.
    ///
    /// # Errors
    /// As the storage; then the frame does not count.
    fn append(&mut self, content: &[u8], durable: bool) -> io::Result<()>;

    /// Replaces all frames by these, in one step.
    ///
    /// # Errors
    /// As the storage; then the old frames stand.
    fn replace(&mut self, frames: &[Vec<u8>]) -> io::Result<()>;

    /// Bytes now.
    fn bytes(&self) -> u64;
}

impl Journal for Box<dyn Journal + Send> {
    fn read(&mut self) -> io::Result<Vec<Vec<u8>>> {
        (**self).read()
    }

    fn append(&mut self, content: &[u8], durable: bool) -> io::Result<()> {
        (**self).append(content, durable)
    }

    fn replace(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        (**self).replace(frames)
    }

    fn bytes(&self) -> u64 {
        (**self).bytes()
    }
}

fn encode(content: &[u8], into: &mut Vec<u8>) {
    let length = u32::try_from(content.len()).expect("a frame is far below 4 GiB");
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
    into.extend_from_slice(content);
}

/// Reads whole frames; answers them and how many bytes they take.
fn decode(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + HEAD_BYTES) {
        let length = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
        let sum = u32::from_le_bytes(head[4..].try_into().expect("four bytes"));
        if length > FRAME_BYTES_MAX {
            break;
        }
        let Some(content) = bytes.get(at + HEAD_BYTES..at + HEAD_BYTES + length) else { break };
        if crc32fast::hash(content) != sum {
            break;
        }
        frames.push(content.to_vec());
        at += HEAD_BYTES + length;
    }
    (frames, at)
}

/// A journal in one file.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl FileJournal {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// As the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, bytes })
    }
}

impl Journal for FileJournal {
    fn read(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut content = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut content)?;
        let (frames, whole) = decode(&content);
        if whole < content.len() {
            tracing::warn!(path = %self.path.display(), torn_bytes = content.len() - whole, "the journal ended in a torn frame; cut it off");
            self.file.set_len(whole as u64)?;
            self.file.sync_data()?;
        }
        self.bytes = whole as u64;
        self.file.seek(SeekFrom::Start(self.bytes))?;
        Ok(frames)
    }

    fn append(&mut self, content: &[u8], durable: bool) -> io::Result<()> {
        let mut frame = Vec::with_capacity(content.len() + HEAD_BYTES);
        encode(content, &mut frame);
        // A short write leaves half a frame: the next append starts where the whole ones end, not behind the rubble.
        self.file.seek(SeekFrom::Start(self.bytes))?;
        self.file.write_all(&frame)?;
        if durable {
            self.file.sync_data()?;
        }
        self.bytes += frame.len() as u64;
        Ok(())
    }

    fn replace(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        let mut content = Vec::new();
        for frame in frames {
            encode(frame, &mut content);
        }
        let beside = self.path.with_extension("compacting");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        file.write_all(&content)?;
        file.sync_data()?;
        std::fs::rename(&beside, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        self.file = file;
        self.bytes = content.len() as u64;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A journal in memory that can crash like a disk: what was not durable may be lost, even in the middle of a frame.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    content: Vec<u8>,
    durable: usize,
}

impl MemoryJournal {
    /// Loses a random part of what was not durable.
    pub fn crash(&mut self, rng: &mut dyn RngCore) {
        let kept = rng.random_range(self.durable..=self.content.len());
        self.content.truncate(kept);
    }
}

impl Journal for MemoryJournal {
    fn read(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let (frames, whole) = decode(&self.content);
        self.content.truncate(whole);
        self.durable = self.durable.min(whole);
        Ok(frames)
    }

    fn append(&mut self, content: &[u8], durable: bool) -> io::Result<()> {
        encode(content, &mut self.content);
        if durable {
            self.durable = self.content.len();
        }
        Ok(())
    }

    fn replace(&mut self, frames: &[Vec<u8>]) -> io::Result<()> {
        self.content.clear();
        for frame in frames {
            encode(frame, &mut self.content);
        }
        self.durable = self.content.len();
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.content.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal_with(frames: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("device.journal");
        let mut journal = FileJournal::open(&path).expect("opens");
        for frame in frames {
            journal.append(frame, true).expect("appends");
        }
        (folder, path)
    }

    fn frames_of(path: &Path) -> Vec<Vec<u8>> {
        FileJournal::open(path).expect("opens").read().expect("reads")
    }

    #[test]
    fn a_torn_tail_is_cut_off_wherever_the_cut_falls_and_appending_goes_on() {
        let (_folder, path) = journal_with(&[b"one", b"two"]);
        let whole = std::fs::read(&path).expect("reads");
        for cut in 11..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            let mut journal = FileJournal::open(&path).expect("opens");
            assert_eq!(journal.read().expect("reads"), [b"one".to_vec()], "cut at {cut}");
            journal.append(b"three", true).expect("appends");
            assert_eq!(frames_of(&path), [b"one".to_vec(), b"three".to_vec()], "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_with_a_flipped_bit_ends_the_journal() {
        let (_folder, path) = journal_with(&[b"one", b"two"]);
        let mut content = std::fs::read(&path).expect("reads");
        let last = content.len() - 1;
        content[last] ^= 1;
        std::fs::write(&path, &content).expect("writes");
        assert_eq!(frames_of(&path), [b"one".to_vec()]);
    }

    #[test]
    fn compaction_replaces_every_frame_and_appending_goes_on() {
        let (_folder, path) = journal_with(&[b"one", b"two"]);
        let mut journal = FileJournal::open(&path).expect("opens");
        journal.read().expect("reads");
        journal.replace(&[b"all".to_vec()]).expect("replaces");
        journal.append(b"more", true).expect("appends");
        assert_eq!(frames_of(&path), [b"all".to_vec(), b"more".to_vec()]);
    }

    #[test]
    fn an_absurd_length_is_a_torn_frame_not_an_allocation() {
        let (_folder, path) = journal_with(&[b"one"]);
        let mut content = std::fs::read(&path).expect("reads");
        content.extend_from_slice(&[0xff; 12]);
        std::fs::write(&path, &content).expect("writes");
        assert_eq!(frames_of(&path), [b"one".to_vec()]);
    }
}
