//! Ids of sets, jobs and purges: a letter, and the number of the row as it is written.

use crate::{Error, Result};

/// Number of a set; ids are `S` and digits.
pub(super) fn set_number(id: &str) -> Result<i64> {
    number(id, 'S').ok_or(Error::NotFound("set"))
}

/// Number of a job; ids are `J` and digits.
pub(super) fn job_number(id: &str) -> Result<i64> {
    number(id, 'J').ok_or(Error::NotFound("job"))
}

/// Number of a purge; ids are `P` and digits.
pub(super) fn purge_number(id: &str) -> Result<i64> {
    number(id, 'P').ok_or(Error::NotFound("purge"))
}

/// Nothing has two ids: a number is taken as it is shown, and in no other spelling.
fn number(id: &str, letter: char) -> Option<i64> {
    let digits = id.strip_prefix(letter)?;
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!((set_number("S1").ok(), job_number("J20").ok(), purge_number("P9").ok()), (Some(1), Some(20), Some(9)));
        for id in ["", "S", "1", "J1", "s1", "S0", "S01", "S+1", "S-1", "S1 ", "S9223372036854775808"] {
            assert!(matches!(set_number(id), Err(Error::NotFound("set"))), "{id}");
        }
    }
}
