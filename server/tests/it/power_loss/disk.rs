//! The disks that could be left when the power goes, worked out from what a process wrote and synced.
//!
//! What was written to a file before the last sync of it began is there. Of what came later, any part may be: whole writes, single
//! sectors of them, or nothing. A name is there for certain once its folder was synced; later names come and go in the order in
//! which they were made, up to some point. That is harsher than common file systems are.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rand::Rng;

/// What a disk writes at once.
const SECTOR: usize = 512;

/// Something that the process did.
#[derive(Debug)]
enum Event {
    Write { path: String, at: usize, bytes: Vec<u8> },
    Truncate { path: String, bytes: usize },
    SyncBegun { path: String, number: u64 },
    SyncDone { number: u64 },
    Rename { from: String, to: String },
    Remove { path: String },
}

/// A change of a file's contents, and when it was made.
#[derive(Debug)]
struct Change {
    when: usize,
    what: Content,
}

#[derive(Debug)]
enum Content {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

/// A file, whatever its name.
#[derive(Debug, Default)]
struct File {
    changes: Vec<Change>,
    /// Changes made before this are on the disk.
    synced: usize,
}

/// A change of names in a folder.
#[derive(Debug)]
enum Naming {
    Made { name: String, file: usize },
    Renamed { from: String, to: String },
    Removed { name: String },
}

/// What the process did to a folder from the time when it was empty.
#[derive(Debug, Default)]
pub(super) struct Disk {
    files: Vec<File>,
    names: Vec<(usize, Naming)>,
    /// Folders with the last event that is certain for the names in them.
    folders: HashMap<String, usize>,
}

/// How much of what was not synced is left.
#[derive(Clone, Copy, Debug)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// Single writes and single sectors, by chance.
    Some,
    /// All writes, but for sectors of the last ones.
    Most,
}

impl Disk {
    /// Reads a journal; a record that was being written when the process ended is left out.
    pub(super) fn read(journal: &[u8]) -> Self {
        let mut disk = Self::default();
        let (mut known, mut begun) = (HashMap::<String, usize>::new(), HashMap::new());
        for (when, event) in events(journal).into_iter().enumerate() {
            match event {
                Event::Write { path, at, bytes } => disk.change(&mut known, path, when, Content::Bytes(at, bytes)),
                Event::Truncate { path, bytes } => disk.change(&mut known, path, when, Content::Length(bytes)),
                Event::SyncBegun { path, number } => {
                    begun.insert(number, (path, when));
                }
                Event::SyncDone { number } => {
                    let (path, from) = begun.remove(&number).expect("a sync begins before it ends");
                    match known.get(&path) {
                        Some(file) => disk.files[*file].synced = disk.files[*file].synced.max(from),
                        None => drop(disk.folders.insert(path, from)),
                    }
                }
                Event::Rename { from, to } => {
                    if let Some(file) = known.remove(&from) {
                        known.insert(to.clone(), file);
                        disk.names.push((when, Naming::Renamed { from, to }));
                    }
                }
                Event::Remove { path } => {
                    if known.remove(&path).is_some() {
                        disk.names.push((when, Naming::Removed { name: path }));
                    }
                }
            }
        }
        disk
    }

    fn change(&mut self, known: &mut HashMap<String, usize>, path: String, when: usize, what: Content) {
        let file = *known.entry(path).or_insert_with_key(|path| {
            self.files.push(File::default());
            self.names.push((when, Naming::Made { name: path.clone(), file: self.files.len() - 1 }));
            self.files.len() - 1
        });
        self.files[file].changes.push(Change { when, what });
    }

    /// Writes one disk that could be left: files below `root` go to the same places below `target`.
    pub(super) fn write(&self, root: &Path, target: &Path, left: Left, rng: &mut impl Rng) {
        for (name, file) in self.names_left(left, rng) {
            let place = target.join(Path::new(&name).strip_prefix(root).expect("everything noted lies below the root"));
            std::fs::create_dir_all(place.parent().expect("a file lies in a folder")).expect("a folder is made");
            // Processes agree in it through memory, and whoever comes first after all of them makes it anew.
            if !name.ends_with("-shm") {
                std::fs::write(place, contents(&self.files[file], left, rng)).expect("a file is written");
            }
        }
    }

    fn names_left(&self, left: Left, rng: &mut impl Rng) -> BTreeMap<String, usize> {
        let folder =
            |name: &str| Path::new(name).parent().map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
        let named = |naming: &Naming| match naming {
            Naming::Made { name, .. } | Naming::Removed { name } => folder(name),
            Naming::Renamed { to, .. } => folder(to),
        };
        let mut ends: HashMap<String, usize> = HashMap::new();
        let mut names = BTreeMap::new();
        for (when, naming) in &self.names {
            let folder = named(naming);
            let certain = self.folders.get(&folder).copied().unwrap_or(0);
            let end = *ends.entry(folder).or_insert_with(|| match left {
                Left::Nothing => certain,
                Left::Most => usize::MAX,
                Left::Some => certain.max(rng.random_range(0..=self.names.last().map_or(0, |(when, _)| *when) + 1)),
            });
            if *when >= end {
                continue;
            }
            match naming {
                Naming::Made { name, file } => drop(names.insert(name.clone(), *file)),
                Naming::Removed { name } => drop(names.remove(name)),
                Naming::Renamed { from, to } => {
                    if let Some(file) = names.remove(from) {
                        names.insert(to.clone(), file);
                    }
                }
            }
        }
        names
    }
}

fn contents(file: &File, left: Left, rng: &mut impl Rng) -> Vec<u8> {
    let mut out = Vec::new();
    let last = file.changes.len().saturating_sub(3);
    for (number, change) in file.changes.iter().enumerate() {
        let certain = change.when < file.synced;
        let kept = certain || matches!(left, Left::Most) || matches!(left, Left::Some) && rng.random_bool(0.5);
        if !kept {
            continue;
        }
        match &change.what {
            Content::Length(bytes) => out.resize(*bytes, 0),
            Content::Bytes(at, bytes) => {
                let torn = !certain && (matches!(left, Left::Some) && rng.random_bool(0.3) || number >= last);
                written(&mut out, *at, bytes, |rng| torn && rng.random_bool(0.5), rng);
            }
        }
    }
    out
}

/// Puts bytes in their place, without the sectors that are lost.
fn written<R: Rng>(out: &mut Vec<u8>, at: usize, bytes: &[u8], lost: impl Fn(&mut R) -> bool, rng: &mut R) {
    let mut from = 0;
    while from < bytes.len() {
        let to = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
        if !lost(rng) {
            let end = at + to;
            if out.len() < end {
                out.resize(end, 0);
            }
            out[at + from..end].copy_from_slice(&bytes[from..to]);
        }
        from = to;
    }
}

fn events(journal: &[u8]) -> Vec<Event> {
    let mut rest = journal;
    std::iter::from_fn(|| {
        let head: [u64; 4] = std::array::from_fn(|at| {
            rest.get(at * 8..at * 8 + 8).map_or(u64::MAX, |word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
        });
        let [kind, number, path_bytes, data_bytes] = head;
        let size = |bytes: u64| usize::try_from(bytes).ok();
        let (path, tail) = rest.get(32..)?.split_at_checked(size(path_bytes)?)?;
        let (data, tail) = tail.split_at_checked(size(data_bytes)?)?;
        rest = tail;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("names are text");
        let (path, place) = (text(path), usize::try_from(number).expect("64 bits"));
        Some(match kind {
            1 => Event::Write { path, at: place, bytes: data.to_vec() },
            2 => Event::Truncate { path, bytes: place },
            3 => Event::SyncBegun { path, number },
            4 => Event::SyncDone { number },
            5 => Event::Rename { from: path, to: text(data) },
            6 => Event::Remove { path },
            other => panic!("{other} is no kind of record"),
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    fn record(kind: u64, number: u64, path: &str, data: &[u8]) -> Vec<u8> {
        let head = [kind, number, path.len() as u64, data.len() as u64].map(u64::to_le_bytes).concat();
        [head, path.as_bytes().to_vec(), data.to_vec()].concat()
    }

    /// A file of which the first half was synced and its folder too, and a second one that nobody synced.
    fn journal() -> Vec<u8> {
        [
            record(1, 0, "/r/a", b"synced"),
            record(3, 1, "/r/a", b""),
            record(1, 6, "/r/a", b"after"),
            record(4, 1, "/r/a", b""),
            record(3, 2, "/r", b""),
            record(4, 2, "/r", b""),
            record(1, 0, "/r/b", b"new"),
            record(1, 11, "/r/a", b"torn off")[..40].to_vec(),
        ]
        .concat()
    }

    fn left(left: Left) -> BTreeMap<String, Vec<u8>> {
        let dir = tempfile::tempdir().expect("a folder");
        Disk::read(&journal()).write(Path::new("/r"), dir.path(), left, &mut SmallRng::seed_from_u64(1));
        let files = dir.path().read_dir().expect("a folder").map(|file| file.expect("a file"));
        files.map(|file| (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).expect("read"))).collect()
    }

    #[test]
    fn what_was_written_before_a_sync_began_is_left_and_nothing_else_for_certain() {
        assert_eq!(left(Left::Nothing), BTreeMap::from([("a".to_owned(), b"synced".to_vec())]));
        let most = left(Left::Most);
        assert!(most["a"].starts_with(b"synced"), "{most:?}");
        assert!(most.contains_key("b"), "a name that was not synced may be there");
    }

    #[test]
    fn sectors_are_lost_one_by_one() {
        let mut out = vec![7; 100];
        let mut turn = SmallRng::seed_from_u64(0);
        let odd = std::cell::Cell::new(false);
        written(&mut out, 500, &[1; 1_048], |_| odd.replace(!odd.get()), &mut turn);
        // 500..512 is written, 512..1024 lost, 1024..1536 written, the rest lost.
        assert_eq!((out.len(), out[99], out[100], out[511], out[512], out[1_023], out[1_024]), (1_536, 7, 0, 1, 0, 0, 1));
    }
}
