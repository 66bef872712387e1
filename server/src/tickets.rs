//! Tickets for event streams: each stands for a bearer token, once, for a minute. They live in memory: after a restart a browser
//! asks for another one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidewatch_domain::time::{Millis, SECOND_MS};
use tidewatch_protocol::limits::TICKET_S;

/// Tickets that are kept at a time; the oldest go first.
const TICKETS_MAX: usize = 20_000;

/// Tickets that were given out and not used.
#[derive(Debug, Default)]
pub struct Tickets {
    given: Mutex<HashMap<String, (String, Millis)>>,
}

impl Tickets {
    /// A ticket that stands for this token.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn issue(&self, token: &str, now: Millis) -> Result<String, getrandom::Error> {
        let mut bytes = [0_u8; 24];
        getrandom::fill(&mut bytes)?;
        let ticket: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= TICKETS_MAX {
            given.retain(|_, (_, ends)| *ends >= now);
        }
        if given.len() >= TICKETS_MAX
            && let Some(oldest) = given.iter().min_by_key(|(_, (_, ends))| *ends).map(|(ticket, _)| ticket.clone())
        {
            given.remove(&oldest);
        }
        given.insert(ticket.clone(), (token.to_owned(), now.plus(i64::from(TICKET_S) * SECOND_MS)));
        Ok(ticket)
    }

    /// The token that a ticket stands for; the ticket is gone then.
    pub fn redeem(&self, ticket: &str, now: Millis) -> Option<String> {
        let found = self.given.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket);
        found.filter(|(_, ends)| *ends >= now).map(|(token, _)| token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let tickets = Tickets::default();
        let ticket = tickets.issue("twd_1", NOW).expect("randomness");
        assert_eq!(tickets.redeem(&ticket, NOW.plus(60_000)).as_deref(), Some("twd_1"));
        assert_eq!(tickets.redeem(&ticket, NOW), None);
        let late = tickets.issue("twd_1", NOW).expect("randomness");
        assert_eq!(tickets.redeem(&late, NOW.plus(60_001)), None);
        assert_eq!(tickets.redeem("none", NOW), None);
    }

    #[test]
    fn the_oldest_ticket_gives_way_when_there_are_too_many() {
        let tickets = Tickets::default();
        let oldest = tickets.issue("oldest", NOW).expect("randomness");
        let newest: Vec<String> =
            (0..TICKETS_MAX).map(|n| tickets.issue("newer", NOW.plus(1 + i64::from(n == 0))).expect("randomness")).collect();
        assert_eq!(tickets.redeem(&oldest, NOW), None);
        assert_eq!(tickets.redeem(&newest[0], NOW).as_deref(), Some("newer"));
    }
}
