//! The log that a client keeps of itself, to be uploaded when a command asks for it: what it did and what went wrong, in lines that
//! hold counts, codes and ids, never a payload or a secret.
//!
//! It is in memory alone: writing each line to the journal would cost more than the sync that it tells of. So it begins anew with the
//! process, and an upload says since when it goes back and how much its limit has cost it.

use std::collections::VecDeque;

use tidewatch_domain::control::{LOG_BYTES_MAX, LOG_LINES_MAX, LOG_MESSAGE_BYTES_MAX, LOG_TARGET_BYTES_MAX, LogLevel, LogLine};
use tidewatch_domain::time::Millis;
use tidewatch_protocol::v1::control::log_lines_written;

/// Lines that are kept.
const LINES_MAX: usize = 2_000;
/// Bytes of them, roughly.
const BYTES_MAX: usize = 512 << 10;
/// What a line takes beside its texts.
const LINE_BYTES: usize = 96;

/// The newest lines.
#[derive(Debug, Default)]
pub struct LogRing {
    lines: VecDeque<LogLine>,
    bytes: usize,
    begins: Option<Millis>,
    dropped: u64,
}

impl LogRing {
    /// Adds a line. A text that is too long is cut, and what is no plain text in it becomes a space.
    pub fn push(&mut self, at: Millis, level: LogLevel, target: &str, message: &str) {
        let (target, message) = (plain(target, LOG_TARGET_BYTES_MAX), plain(message, LOG_MESSAGE_BYTES_MAX));
        self.begins = self.begins.or(Some(at));
        let line = LogLine { at, level, target, message };
        self.bytes += size(&line);
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= size(&oldest);
            self.dropped += 1;
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl Iterator<Item = &LogLine> {
        self.lines.iter()
    }

    /// When it was begun, by its first line.
    #[must_use]
    pub const fn begins(&self) -> Option<Millis> {
        self.begins
    }

    /// Lines that its limit has cost it.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The lines from an instant on as an upload has them; the newest, when there are more than one upload takes.
    #[must_use]
    pub fn since(&self, since: Option<Millis>) -> String {
        let wanted = self.lines.iter().filter(|line| since.is_none_or(|since| line.at >= since));
        let mut texts: Vec<String> =
            wanted.rev().take(LOG_LINES_MAX).map(|line| log_lines_written(std::slice::from_ref(line))).collect();
        let mut bytes = 0;
        let fits = texts.iter().take_while(|text| {
            bytes += text.len();
            bytes <= LOG_BYTES_MAX
        });
        let fits = fits.count();
        texts.truncate(fits);
        texts.reverse();
        texts.concat()
    }
}

fn size(line: &LogLine) -> usize {
    LINE_BYTES + line.target.len() + line.message.len()
}

fn plain(text: &str, bytes_max: usize) -> String {
    let mut plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.trim().is_empty() {
        return "-".to_owned();
    }
    plain.truncate(plain.floor_char_boundary(bytes_max));
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidewatch_protocol::v1::control::log_lines_read;

    const NOW: Millis = Millis(1_790_000_000_000);

    #[test]
    fn an_upload_is_what_a_server_reads() {
        let mut log = LogRing::default();
        log.push(NOW, LogLevel::Info, "app", "first\nline");
        log.push(NOW.plus(1), LogLevel::Error, "", &"é".repeat(LOG_MESSAGE_BYTES_MAX));
        let read = log_lines_read(log.since(None).as_bytes()).expect("readable");
        assert_eq!(read.iter().collect::<Vec<_>>(), log.lines().collect::<Vec<_>>());
        assert_eq!((read[0].message.as_str(), read[1].target.as_str()), ("first line", "-"));
        assert_eq!(log_lines_read(log.since(Some(NOW.plus(1))).as_bytes()).expect("readable"), read[1..]);
        assert_eq!(log.since(Some(NOW.plus(2))), "");
    }

    #[test]
    fn the_oldest_lines_make_room_and_it_says_so() {
        let mut log = LogRing::default();
        for n in 0..=LINES_MAX {
            log.push(NOW.plus(i64::try_from(n).expect("small")), LogLevel::Info, "app", "a line");
        }
        assert_eq!((log.lines().count(), log.dropped(), log.begins()), (LINES_MAX, 1, Some(NOW)));
        assert_eq!(log.lines().next().map(|line| line.at), Some(NOW.plus(1)));
        for n in 0..LINES_MAX {
            log.push(NOW.plus(i64::try_from(n).expect("small")), LogLevel::Info, "app", &"x".repeat(LOG_MESSAGE_BYTES_MAX));
        }
        assert!(log.bytes <= BYTES_MAX && log.since(None).len() <= LOG_BYTES_MAX);
        assert_eq!(log.bytes, log.lines().map(size).sum::<usize>());
    }
}
