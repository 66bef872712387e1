//! A walk over the bytes of a Yjs update of format 1: every count fits into what is left, every clock stays small, nothing is
//! nested deep, and nothing follows the end. What it has passed it writes down again in one form: the members of an object in
//! the order of their names, embedded JSON in its canonical text. The library keeps objects in the order of a hash that differs
//! from process to process, and the same intents must come to the same bytes everywhere.

use std::collections::BTreeMap;

use crate::json::value_text;

/// Largest clock, and largest sum of lengths of one client.
const CLOCK_MAX: u64 = 1 << 31;
/// Largest id of a client: 53 bits, as JavaScript has them.
const CLIENT_MAX: u64 = (1 << 53) - 1;
/// Deepest nesting of a value.
const DEPTH_MAX: usize = 32;

const GC: u8 = 0;
const SKIP: u8 = 10;
const HAS_ORIGIN: u8 = 0x80;
const HAS_RIGHT_ORIGIN: u8 = 0x40;
const HAS_PARENT_SUB: u8 = 0x20;

/// The update in its one form; `None` when the library may not read it.
pub(super) fn canonical(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut walk = Walk { rest: bytes, out: Vec::with_capacity(bytes.len()) };
    walk.blocks()?;
    walk.deletions()?;
    walk.rest.is_empty().then_some(walk.out)
}

struct Walk<'a> {
    rest: &'a [u8],
    /// What was passed, in its one form.
    out: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.out.push(*first);
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        self.out.extend_from_slice(taken);
        Some(taken)
    }

    fn number(&mut self, max: u64) -> Option<u64> {
        let mut number = 0u64;
        for place in 0..10 {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(place * 7)?;
            if byte < 0x80 {
                return (number <= max).then_some(number);
            }
        }
        None
    }

    /// How many of something follow; each takes a byte at least.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number(CLOCK_MAX)?).ok()?;
        (count <= self.rest.len()).then_some(count)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    fn id(&mut self) -> Option<()> {
        self.number(CLIENT_MAX)?;
        self.number(CLOCK_MAX)?;
        Some(())
    }

    fn blocks(&mut self) -> Option<()> {
        for _ in 0..self.count()? {
            let structs = self.count()?;
            self.number(CLIENT_MAX)?;
            let mut clock = self.number(CLOCK_MAX)?;
            for _ in 0..structs {
                clock += self.block()?;
                if clock > CLOCK_MAX {
                    return None;
                }
            }
        }
        Some(())
    }

    /// One block; answers how far it moves the clock.
    fn block(&mut self) -> Option<u64> {
        let info = self.byte()?;
        if info == GC || info == SKIP {
            return self.number(CLOCK_MAX).filter(|length| *length > 0);
        }
        if info & HAS_ORIGIN != 0 {
            self.id()?;
        }
        if info & HAS_RIGHT_ORIGIN != 0 {
            self.id()?;
        }
        if info & (HAS_ORIGIN | HAS_RIGHT_ORIGIN) == 0 {
            match self.number(1)? {
                1 => self.text().map(|_| ())?,
                _ => self.id()?,
            }
            if info & HAS_PARENT_SUB != 0 {
                self.text()?;
            }
        }
        self.content(info & 0x1f)
    }

    fn content(&mut self, kind: u8) -> Option<u64> {
        match kind {
            1 => self.number(CLOCK_MAX).filter(|length| *length > 0),
            2 => self.list(|walk| walk.text().map(|_| ())),
            3 => self.text_bytes().map(|()| 1),
            4 => self.text().map(|text| text.encode_utf16().count() as u64).filter(|length| *length > 0),
            5 => self.json().map(|()| 1),
            6 => {
                self.text()?;
                self.json().map(|()| 1)
            }
            7 => match self.number(6)? {
                3 | 5 => self.text().map(|_| 1),
                _ => Some(1),
            },
            8 => self.list(|walk| walk.any(0)),
            9 => {
                self.text()?;
                self.any(0).map(|()| 1)
            }
            _ => None,
        }
    }

    fn text_bytes(&mut self) -> Option<()> {
        let length = self.count()?;
        self.bytes(length).map(|_| ())
    }

    fn json(&mut self) -> Option<()> {
        let begun = self.out.len();
        let text = value_text(&serde_json::from_str(self.text()?).ok()?);
        self.out.truncate(begun);
        number_write(&mut self.out, text.len() as u64);
        self.out.extend_from_slice(text.as_bytes());
        Some(())
    }

    fn list(&mut self, item: impl Fn(&mut Self) -> Option<()>) -> Option<u64> {
        let count = self.count()?;
        for _ in 0..count {
            item(self)?;
        }
        (count > 0).then_some(count as u64)
    }

    fn any(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match self.byte()? {
            120 | 121 | 126 | 127 => Some(()),
            125 => self.signed(),
            124 => self.bytes(4).map(|_| ()),
            122 | 123 => self.bytes(8).map(|_| ()),
            119 => self.text().map(|_| ()),
            118 => self.members(depth),
            117 => {
                for _ in 0..self.count()? {
                    self.any(depth + 1)?;
                }
                Some(())
            }
            116 => self.text_bytes(),
            _ => None,
        }
    }

    /// The members of an object, sorted by name. A name that stands twice has its last value, as the library reads it.
    fn members(&mut self, depth: usize) -> Option<()> {
        let (before, count) = (self.out.len(), self.count()?);
        let mut members = BTreeMap::new();
        for _ in 0..count {
            let at = self.out.len();
            let name = self.text()?;
            self.any(depth + 1)?;
            members.insert(name, at..self.out.len());
        }
        let sorted: Vec<u8> = members.values().flat_map(|place| &self.out[place.clone()]).copied().collect();
        self.out.truncate(before);
        number_write(&mut self.out, members.len() as u64);
        self.out.extend_from_slice(&sorted);
        Some(())
    }

    /// A number with a sign: six bits in the first byte, seven in the others.
    fn signed(&mut self) -> Option<()> {
        for _ in 0..8 {
            if self.byte()? < 0x80 {
                return Some(());
            }
        }
        None
    }

    /// What is deleted, by client. Ranges of no length delete nothing, and the library keeps them now and then: they are left out.
    fn deletions(&mut self) -> Option<()> {
        let begun = self.out.len();
        let (mut clients, mut kept) = (0, Vec::new());
        for _ in 0..self.count()? {
            let client = self.number(CLIENT_MAX)?;
            let (mut count, mut ranges) = (0, Vec::new());
            for _ in 0..self.count()? {
                let at = self.out.len();
                let (clock, length) = (self.number(CLOCK_MAX)?, self.number(CLOCK_MAX)?);
                if clock + length > CLOCK_MAX {
                    return None;
                }
                if length > 0 {
                    count += 1;
                    ranges.extend_from_slice(&self.out[at..]);
                }
            }
            if count > 0 {
                clients += 1;
                number_write(&mut kept, client);
                number_write(&mut kept, count);
                kept.extend(ranges);
            }
        }
        self.out.truncate(begun);
        number_write(&mut self.out, clients);
        self.out.extend(kept);
        Some(())
    }
}

/// A number, seven bits a byte, the lowest first.
fn number_write(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
