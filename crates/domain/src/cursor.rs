//! Cursors (`protocol.md` 2.4): `v1.<epoch>.<pos>.<fhash>.<crc>`. A position means *scanned up to*, never *last row that
//! matched*. Devices compare cursors for equality only; operators can read them. A cursor grants nothing.

use std::fmt;

use crate::ids::{CollectionName, Epoch, Scope, Seq};
use crate::json::names_text;
use crate::sync::CursorRefusal;

/// Longest cursor, bytes.
pub const CURSOR_BYTES_MAX: usize = 96;

/// Where a feed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CursorPosition {
    /// Everything up to here was scanned.
    At(Seq),
    /// A compact scan is under way.
    Scan {
        /// Scanned up to.
        pos: Seq,
        /// Head of the log when the scan began at the beginning; 0 when it began at an old cursor.
        start: Seq,
    },
}

impl CursorPosition {
    /// Scanned up to.
    #[must_use]
    pub const fn pos(self) -> Seq {
        match self {
            Self::At(pos) | Self::Scan { pos, .. } => pos,
        }
    }
}

/// A cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Incarnation of the store.
    pub epoch: Epoch,
    /// Where.
    pub position: CursorPosition,
    /// Filter it was made with; 0 without one.
    pub filter: u32,
}

impl Cursor {
    /// Reads a printed cursor.
    ///
    /// # Errors
    /// [`CursorRefusal::Malformed`] when shape or check sum are wrong.
    pub fn parse(text: &str) -> Result<Self, CursorRefusal> {
        Self::read(text).ok_or(CursorRefusal::Malformed)
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let (body, crc) = text.rsplit_once('.')?;
        if hex32(crc)? != crc32fast::hash(body.as_bytes()) {
            return None;
        }
        let mut parts = body.strip_prefix("v1.")?.split('.');
        let (epoch, position, filter) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let position = match position.split_once('c') {
            None => CursorPosition::At(seq(position)?),
            Some((pos, start)) => CursorPosition::Scan { pos: seq(pos)?, start: seq(start)? },
        };
        Some(Self { epoch: Epoch::parse(epoch)?, position, filter: hex32(filter)? })
    }
}

/// A decimal number without sign and without leading zeros.
fn seq(text: &str) -> Option<Seq> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok().map(Seq) } else { None }
}

fn hex32(text: &str) -> Option<u32> {
    let lower = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if lower { u32::from_str_radix(text, 16).ok() } else { None }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = match self.position {
            CursorPosition::At(pos) => format!("v1.{}.{pos}.{:08x}", self.epoch, self.filter),
            CursorPosition::Scan { pos, start } => format!("v1.{}.{pos}c{start}.{:08x}", self.epoch, self.filter),
        };
        write!(f, "{body}.{:08x}", crc32fast::hash(body.as_bytes()))
    }
}

/// Hash of a filter: crc32 of the sorted scopes, the sorted collections and the schema's major version. No filter is 0.
#[must_use]
pub fn filter_hash(scopes: &[Scope], collections: &[CollectionName]) -> u32 {
    if scopes.is_empty() && collections.is_empty() {
        return 0;
    }
    let mut scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
    let mut collections: Vec<&str> = collections.iter().map(CollectionName::as_str).collect();
    scopes.sort_unstable();
    scopes.dedup();
    collections.sort_unstable();
    collections.dedup();
    crc32fast::hash(format!("{}|{}|1", scopes.join(","), collections.join(",")).as_bytes())
}

/// Hash of a filter that asks for some fields only; the filter's own when it names none.
#[must_use]
pub fn fields_hash(filter: u32, fields: &[String]) -> u32 {
    if fields.is_empty() {
        return filter;
    }
    let mut fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    fields.sort_unstable();
    fields.dedup();
    crc32fast::hash(format!("{filter:08x}|{}", names_text(fields)).as_bytes())
}

/// What `since` asks for, once read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From the beginning.
    Beginning,
    /// From the head on.
    Now,
    /// From a position.
    Position(CursorPosition),
}

/// What a store knows when it judges a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorGround {
    /// Its incarnation.
    pub epoch: Epoch,
    /// Its head.
    pub head: Seq,
    /// The log below is pruned.
    pub horizon: Seq,
    /// Hash of the filter of the request.
    pub filter: u32,
}

/// Judges `since`: nothing, `0`, `now`, a cursor, or a bare number together with its epoch. `ancestor` tells the position
/// at which an older epoch of this store ended.
///
/// # Errors
/// Every refusal of `protocol.md` 2.4.
pub fn since_read(
    since: Option<&str>,
    epoch: Option<Epoch>,
    ground: CursorGround,
    ancestor: impl Fn(Epoch) -> Option<Seq>,
) -> Result<Since, CursorRefusal> {
    let cursor = match since {
        None | Some("" | "0") => return Ok(Since::Beginning),
        Some("now") => return Ok(Since::Now),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => Cursor {
            epoch: epoch.ok_or(CursorRefusal::Malformed)?,
            position: CursorPosition::At(seq(text).ok_or(CursorRefusal::Malformed)?),
            filter: ground.filter,
        },
        Some(text) => Cursor::parse(text)?,
    };
    let pos = cursor.position.pos();
    if cursor.epoch != ground.epoch {
        let fork_seq = ancestor(cursor.epoch);
        if fork_seq.is_none_or(|fork| pos > fork) {
            return Err(CursorRefusal::EpochMismatch { fork_seq });
        }
    }
    if cursor.filter != ground.filter {
        return Err(CursorRefusal::FilterMismatch);
    }
    if pos > ground.head {
        return Err(CursorRefusal::Ahead);
    }
    if pos < ground.horizon && matches!(cursor.position, CursorPosition::At(_)) {
        return Err(CursorRefusal::Expired { horizon: ground.horizon });
    }
    Ok(Since::Position(cursor.position))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GROUND: CursorGround = CursorGround { epoch: Epoch(0x9f3c), head: Seq(100), horizon: Seq(10), filter: 0xabc };

    fn print(epoch: u64, pos: i64, filter: u32) -> String {
        Cursor { epoch: Epoch(epoch), position: CursorPosition::At(Seq(pos)), filter }.to_string()
    }

    fn read(since: &str) -> Result<Since, CursorRefusal> {
        since_read(Some(since), None, GROUND, |epoch| (epoch == Epoch(0x1111)).then_some(Seq(50)))
    }

    #[test]
    fn each_situation_has_its_own_refusal() {
        let at = |pos| Ok(Since::Position(CursorPosition::At(Seq(pos))));
        assert_eq!(read(&print(0x9f3c, 100, 0xabc)), at(100));
        assert_eq!(read(&print(0x9f3c, 101, 0xabc)), Err(CursorRefusal::Ahead));
        assert_eq!(read(&print(0x9f3c, 10, 0xabc)), at(10));
        assert_eq!(read(&print(0x9f3c, 9, 0xabc)), Err(CursorRefusal::Expired { horizon: Seq(10) }));
        assert_eq!(read(&print(0x9f3c, 50, 0xabd)), Err(CursorRefusal::FilterMismatch));
        assert_eq!(read(&print(0x1111, 50, 0xabc)), at(50));
        assert_eq!(read(&print(0x1111, 51, 0xabc)), Err(CursorRefusal::EpochMismatch { fork_seq: Some(Seq(50)) }));
        assert_eq!(read(&print(0x2222, 20, 0xabc)), Err(CursorRefusal::EpochMismatch { fork_seq: None }));
        assert_eq!(read("20"), Err(CursorRefusal::Malformed));
        assert_eq!(read("now"), Ok(Since::Now));
        assert_eq!(read("0"), Ok(Since::Beginning));
    }

    #[test]
    fn a_bare_number_counts_only_with_its_epoch() {
        let read = |epoch| since_read(Some("20"), epoch, GROUND, |_| None);
        assert_eq!(read(Some(Epoch(0x9f3c))), Ok(Since::Position(CursorPosition::At(Seq(20)))));
        assert_eq!(read(Some(Epoch(1))), Err(CursorRefusal::EpochMismatch { fork_seq: None }));
    }

    #[test]
    fn the_order_of_a_filter_does_not_matter() {
        let scope = |text: &str| Scope::parse(text).expect("a scope");
        let collection = |text: &str| CollectionName::parse(text).expect("a name");
        let (a, b) = (scope("building:1"), scope("building:2"));
        assert_eq!(filter_hash(&[a.clone(), b.clone()], &[]), filter_hash(&[b, a.clone(), a.clone()], &[]));
        assert_ne!(filter_hash(std::slice::from_ref(&a), &[]), filter_hash(&[a], &[collection("todos")]));
        assert_eq!(filter_hash(&[], &[]), 0);
    }

    proptest! {
        #[test]
        fn a_cursor_reads_as_it_prints(epoch: u64, pos in 0..i64::MAX, start in proptest::option::of(0..i64::MAX), filter: u32) {
            let position = match start {
                None => CursorPosition::At(Seq(pos)),
                Some(start) => CursorPosition::Scan { pos: Seq(pos), start: Seq(start) },
            };
            let cursor = Cursor { epoch: Epoch(epoch), position, filter };
            prop_assert!(cursor.to_string().len() <= CURSOR_BYTES_MAX);
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
        }

        #[test]
        fn one_changed_byte_is_noticed(pos in 0..1_000_000i64, at in 0usize..45, byte in 0x20u8..0x7f) {
            let text = print(0x9f3c_1ab2_7d40_5e61, pos, 7);
            let at = at % text.len();
            let mut bytes = text.clone().into_bytes();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).expect("ascii");
            prop_assert_eq!(Cursor::parse(&changed), Err(CursorRefusal::Malformed));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".*") {
            let _ = Cursor::parse(&text);
            let _ = read(&text);
        }
    }
}
