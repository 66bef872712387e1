//! Cursors: what is read prints as it came, what is made reads as it was, and no accepted position lies outside the log.

use tidewatch_domain::cursor::{CURSOR_BYTES_MAX, Cursor, CursorGround, CursorPosition, Since, since_read};
use tidewatch_domain::ids::{Epoch, Seq};

use crate::number;

pub(crate) fn feed(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        read(text);
    }
    made(bytes);
}

fn read(text: &str) {
    let parsed = Cursor::parse(text);
    if let Ok(cursor) = parsed {
        assert_eq!(cursor.to_string(), text, "one position has one text");
    }
    let ground = CursorGround { epoch: Epoch(0x9f3c_1ab2_7d40_5e61), head: Seq(10_450), horizon: Seq(12), filter: 0 };
    for epoch in [None, Some(ground.epoch), Some(Epoch(1))] {
        judged(text, epoch, ground);
    }
    // The same log, as it looks to whoever holds exactly this cursor.
    if let Ok(cursor) = parsed {
        judged(text, None, CursorGround { epoch: cursor.epoch, filter: cursor.filter, ..ground });
    }
}

fn judged(text: &str, epoch: Option<Epoch>, ground: CursorGround) {
    let fork = Seq(40);
    let ancestor = |known| (known == Epoch(1)).then_some(fork);
    let Ok(since) = since_read(Some(text), epoch, ground, ancestor) else { return };
    if let Since::Position(position) = since {
        let pos = position.pos();
        assert!(pos >= Seq(0) && pos <= ground.head, "no position beyond the log");
        assert!(matches!(position, CursorPosition::Scan { .. }) || pos >= ground.horizon, "no position below the horizon");
    }
}

fn made(bytes: &[u8]) {
    let Some((epoch, rest)) = number(bytes) else { return };
    let Some((pos, rest)) = number(rest) else { return };
    let Some((start, rest)) = number(rest) else { return };
    let seq = |bits: u64| Seq((bits >> 1).cast_signed());
    let position = match rest.first() {
        Some(byte) if byte % 2 == 1 => CursorPosition::Scan { pos: seq(pos), start: seq(start) },
        _ => CursorPosition::At(seq(pos)),
    };
    let filter = u32::from_le_bytes(rest.first_chunk::<4>().copied().unwrap_or_default());
    let cursor = Cursor { epoch: Epoch(epoch), position, filter };
    let text = cursor.to_string();
    assert!(text.len() <= CURSOR_BYTES_MAX);
    assert_eq!(Cursor::parse(&text), Ok(cursor));
    // A byte that was changed on the way is noticed.
    if let Some(at) = rest.get(4) {
        let mut broken = text.into_bytes();
        let at = usize::from(*at) % broken.len();
        broken[at] ^= 1;
        assert!(String::from_utf8(broken).is_ok_and(|broken| Cursor::parse(&broken).is_err()));
    }
}
