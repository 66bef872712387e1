//! Draining: the archive of payloads, frozen sets, jobs, and the journal that the mirror follows. Everything that decides what becomes of
//! an entry is written here, by the one writer: state of the entry, outcome of its item, command to its device and audit row in one
//! transaction (`docs/adr/0010-drain-in-one-transaction.md`).
//!
//! Invariants: a payload in the archive never changes; a change of state names the state that it starts from; members of a frozen set
//! are never added or removed.

mod journal;
mod letters;
mod sets;
pub(crate) mod statements;

pub use self::journal::EntryEvent;
pub(crate) use self::journal::NewEvent;
pub use self::letters::NewLetter;
pub use self::sets::{MemberLook, NewSet, SetMember, SetRow};
use super::writer::{Answer, Pending, Reply, Writer, answer};
use crate::Result;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

/// What the writer is asked to do about draining.
#[derive(Debug)]
pub(crate) enum DrainWork {
    /// Put intents into the archive; answers which of them are new there.
    LettersPut { client_id: ClientId, letters: Vec<NewLetter>, now: Millis, reply: Reply<Vec<bool>> },
    /// Begin a frozen set; answers its number.
    SetBegin { set: Box<NewSet>, reply: Reply<i64> },
    /// Add members to a set that is not frozen yet.
    MembersAdd { set: i64, first: i64, members: Vec<SetMember>, reply: Reply<()> },
    /// Freeze a set.
    SetFreeze { set: i64, frozen: Box<sets::Frozen>, reply: Reply<()> },
    /// Drop some of what nobody has submitted in time; answers whether there is more.
    SetsDrop { now: Millis, reply: Reply<bool> },
}

impl Writer {
    /// Does one piece of work inside the transaction. An error of the database ends the transaction; a refusal is an answer.
    pub(crate) async fn drain(&mut self, work: DrainWork, pending: &mut Pending) -> Result<Answer> {
        match work {
            DrainWork::LettersPut { client_id, letters, now, reply } => {
                let put = self.letters_report(&client_id, letters, now).await?;
                pending.drained = true;
                Ok(answer(reply, put))
            }
            DrainWork::SetBegin { set, reply } => Ok(answer(reply, Ok(self.set_begin(&set).await?))),
            DrainWork::MembersAdd { set, first, members, reply } => {
                self.members_add(set, first, &members).await?;
                Ok(answer(reply, Ok(())))
            }
            DrainWork::SetFreeze { set, frozen, reply } => Ok(answer(reply, self.set_freeze(set, &frozen).await?)),
            DrainWork::SetsDrop { now, reply } => Ok(answer(reply, Ok(self.sets_drop(now).await?))),
        }
    }
}
