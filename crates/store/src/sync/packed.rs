//! Rows in one value. The driver hands rows over one by one, through a channel, with an allocation for each column; what a
//! batch looks up costs more there than in SQLite. So the hot statements return one text: members parted by U+001F, rows
//! by U+001E. Neither can occur inside: ids have narrow alphabets, and JSON escapes control characters.

use crate::{Error, Result};

/// Parts rows.
const ROW: u8 = 0x1e;
/// Parts members.
const MEMBER: u8 = 0x1f;

/// The rows of a packed text, in order.
pub(crate) fn rows(packed: Option<&str>) -> impl Iterator<Item = Row<'_>> {
    let parts = Parts { rest: packed, mark: ROW };
    parts.filter(|row| !row.is_empty()).map(|row| Row { members: Parts { rest: Some(row), mark: MEMBER } })
}

/// A text in parts, as `split` gives them, but with a search that looks at many bytes at once: most of what is read are bodies.
#[derive(Debug)]
struct Parts<'a> {
    rest: Option<&'a str>,
    /// Below 0x80, so it is never inside of a character.
    mark: u8,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest.take()?;
        let Some(at) = memchr::memchr(self.mark, rest.as_bytes()) else { return Some(rest) };
        self.rest = rest.get(at + 1..);
        rest.get(..at)
    }
}

impl Parts<'_> {
    /// The next part as a whole number, found and read in one pass: half of what a row has are short numbers.
    fn number(&mut self) -> Option<i64> {
        let rest = self.rest.take()?;
        let (minus, digits) = rest.strip_prefix('-').map_or((false, rest), |digits| (true, digits));
        let (mut number, mut len) = (0_i64, 0);
        for byte in digits.bytes().take_while(|byte| *byte != self.mark) {
            let digit = i64::from(byte.wrapping_sub(b'0'));
            // Summed up below zero, where the smallest number has its place.
            number = (digit < 10).then(|| number.checked_mul(10)?.checked_sub(digit)).flatten()?;
            len += 1;
        }
        let end = usize::from(minus) + len;
        self.rest = rest.get(end + 1..);
        if len == 0 {
            None
        } else if minus {
            Some(number)
        } else {
            number.checked_neg()
        }
    }
}

/// One packed row, read from the left.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    members: Parts<'a>,
}

impl<'a> Row<'a> {
    /// The next member as text.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        self.members.next().ok_or_else(|| Error::Corrupt("a packed row is too short".to_owned()))
    }

    /// The next member as text; empty stands for null.
    pub(crate) fn maybe(&mut self) -> Result<Option<&'a str>> {
        self.text().map(|text| (!text.is_empty()).then_some(text))
    }

    /// The next member as a number.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self) -> Result<T> {
        let number = self.members.number().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| Error::Corrupt("a packed number is none".to_owned()))
    }

    /// The next member as a SHA-256 in hex.
    pub(crate) fn hash(&mut self) -> Result<[u8; 32]> {
        let mut hash = [0; 32];
        hex::decode_to_slice(self.text()?, &mut hash).map_err(|_| Error::Corrupt("a packed hash is none".to_owned()))?;
        Ok(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_in_order_and_nothing_is_no_row() {
        let read: Vec<(i64, Option<&str>)> = rows(Some("1\u{1f}a\u{1e}2\u{1f}"))
            .map(|mut row| (row.number().expect("a number"), row.maybe().expect("there")))
            .collect();
        assert_eq!(read, [(1, Some("a")), (2, None)]);
        assert_eq!(rows(None).count(), 0);
    }

    #[test]
    fn a_number_is_read_to_its_end_and_anything_else_is_none() {
        for number in [0, 7, -1, 1_795_000_000_123, i64::MAX, i64::MIN] {
            let (whole, mut last) = (format!("{number}\u{1f}a"), format!("{number}"));
            let mut row = rows(Some(&whole)).next().expect("a row");
            assert_eq!((row.number::<i64>().ok(), row.text().ok()), (Some(number), Some("a")));
            assert_eq!(rows(Some(&last)).next().and_then(|mut row| row.number::<i64>().ok()), Some(number));
            last.push('0');
            let more = rows(Some(&last)).next().and_then(|mut row| row.number::<i64>().ok());
            assert_eq!(more, number.checked_mul(10), "{number}");
        }
        for text in ["", "-", "1a", "a1", "1.0", "+1", "--1", "\u{1f}1"] {
            let row = format!("{text}\u{1f}x");
            assert!(rows(Some(&row)).next().expect("a row").number::<i64>().is_err(), "{text}");
        }
        assert!(rows(Some("300")).next().expect("a row").number::<u8>().is_err());
    }

    #[test]
    fn a_short_row_is_corrupt() {
        let mut row = rows(Some("1")).next().expect("a row");
        assert!(row.text().is_ok());
        assert!(matches!(row.text(), Err(Error::Corrupt(_))));
    }
}
