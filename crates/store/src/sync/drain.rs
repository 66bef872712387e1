//! Draining: the archive of payloads, frozen sets, jobs, and the journal that the mirror follows. Everything that decides what becomes of
//! an entry is written here, by the one writer: state of the entry, outcome of its item, command to its device and audit row in one
//! transaction (`docs/adr/0010-drain-in-one-transaction.md`).
//!
//! Invariants: a payload in the archive never changes; a change of state names the state that it starts from; members of a frozen set
//! are never added or removed.

mod again;
mod ask;
mod chunk;
mod dry_run;
mod items;
pub(crate) mod job_statements;
mod jobs;
mod journal;
mod letters;
mod pages;
mod put_back;
mod read;
mod released;
mod sets;
mod settle;
pub(crate) mod statements;
mod sweep;
mod take_back;
mod telling;
mod together;
mod undoable;
mod unit;
pub(crate) mod verify;

use tidewatch_domain::drain::JobState;
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

pub use self::chunk::{CHUNK_ITEMS, ChunkItem, Way};
pub use self::items::CLAIM_ITEMS;
pub use self::jobs::{JobMove, JobRow, NewJob, Submission, SystemMove};
pub use self::journal::EntryEvent;
pub(crate) use self::journal::NewEvent;
pub use self::letters::NewLetter;
pub use self::pages::{ItemRow, MemberRow};
pub use self::read::{CommandLook, LetterRow, ReasonRow, TriedUnit, WaitingItem};
pub use self::released::{BEHIND_MAX, BehindFate};
pub use self::sets::{FailedItem, MemberLook, NewSet, SetMember, SetRow};
pub use self::settle::job_action;
pub(crate) use self::telling::WORDS_PRIORITY;
pub use self::together::Fellow;
pub(crate) use self::together::{group_of, together};
use super::purge::PurgeWork;
use super::roll::RollWork;
use super::writer::{Answer, Pending, Reply, Writer, answer};
use crate::Result;

/// What the writer is asked to do about draining.
#[derive(Debug)]
pub(crate) enum DrainWork {
    /// Put intents into the archive; answers which of them are new there.
    LettersPut { client_id: ClientId, letters: Vec<NewLetter>, now: Millis, reply: Reply<Vec<bool>> },
    /// Begin a frozen set; answers its number.
    SetBegin { set: Box<NewSet>, reply: Reply<i64> },
    /// Add members to a set that is not frozen yet.
    MembersAdd { set: i64, first: i64, members: Vec<SetMember>, reply: Reply<()> },
    /// Add what waits behind a set that is not frozen yet and is let go with it.
    BehindAdd { set: i64, behind: Vec<(ClientKey, String)>, reply: Reply<()> },
    /// Freeze a set.
    SetFreeze { set: i64, frozen: Box<sets::Frozen>, reply: Reply<()> },
    /// Drop some of what nobody has submitted in time; answers whether there is more.
    SetsDrop { now: Millis, reply: Reply<bool> },
    /// Submit a frozen set.
    Submit { job: Box<NewJob>, reply: Reply<Submission> },
    /// Move a job as somebody asks; answers the state it is in when that does not allow it.
    Change { job: i64, by: Box<JobMove>, reply: Reply<std::result::Result<(), JobState>> },
    /// Move a job by itself.
    Moved { job: i64, moved: SystemMove, now: Millis, reply: Reply<()> },
    /// Take the next stretch of items for their job.
    Claim { job: i64, now: Millis, reply: Reply<()> },
    /// Work off a chunk; answers whether all of it was worked off and the job goes on.
    Chunk { job: i64, items: Vec<ChunkItem>, now: Millis, reply: Reply<bool> },
    /// Sweep the next stretch of a job that was cancelled, refused or taken back.
    Sweep { job: i64, now: Millis, reply: Reply<()> },
    /// Something of purges.
    Purge(Box<PurgeWork>),
    /// Something of items that roll to a file.
    Roll(Box<RollWork>),
}

impl DrainWork {
    /// Whether it decides intents, and so needs a transaction of its own: what a transaction changes in memory is summed up once.
    pub(crate) const fn decides(&self) -> bool {
        matches!(self, Self::Chunk { .. })
    }
}

impl Writer {
    /// Does one piece of work inside the transaction. An error of the database ends the transaction; a refusal is an answer.
    pub(crate) async fn drain(&mut self, work: DrainWork, pending: &mut Pending) -> Result<Answer> {
        pending.drained = true;
        match work {
            DrainWork::LettersPut { client_id, letters, now, reply } => {
                Ok(answer(reply, self.letters_report(&client_id, letters, now).await?))
            }
            DrainWork::SetBegin { set, reply } => Ok(answer(reply, Ok(self.set_begin(&set).await?))),
            DrainWork::MembersAdd { set, first, members, reply } => {
                self.members_add(set, first, &members).await?;
                Ok(answer(reply, Ok(())))
            }
            DrainWork::BehindAdd { set, behind, reply } => {
                self.behind_add(set, &behind).await?;
                Ok(answer(reply, Ok(())))
            }
            DrainWork::SetFreeze { set, frozen, reply } => Ok(answer(reply, self.set_freeze(set, &frozen).await?)),
            DrainWork::SetsDrop { now, reply } => Ok(answer(reply, Ok(self.sets_drop(now).await?))),
            DrainWork::Submit { job, reply } => Ok(answer(reply, Ok(self.job_submit(&job).await?))),
            DrainWork::Change { job, by, reply } => Ok(answer(reply, self.job_change(job, &by).await?)),
            DrainWork::Moved { job, moved, now, reply } => {
                self.job_moved(job, moved, now).await?;
                Ok(answer(reply, Ok(())))
            }
            DrainWork::Claim { job, now, reply } => {
                self.job_claim(job, now).await?;
                Ok(answer(reply, Ok(())))
            }
            DrainWork::Chunk { job, items, now, reply } => {
                let whole = self.job_chunk(job, items, now, pending).await?;
                Ok(answer(reply, Ok(whole)))
            }
            DrainWork::Sweep { job, now, reply } => {
                self.job_sweep(job, now).await?;
                Ok(answer(reply, Ok(())))
            }
            DrainWork::Purge(work) => self.purge(*work, pending).await,
            DrainWork::Roll(work) => self.roll(*work).await,
        }
    }
}
