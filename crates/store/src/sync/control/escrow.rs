//! Intents that devices hand over without having them applied. They are kept as they are, sealed, in the archive, in the state that the
//! command asks for under which they come; without one they are `escrowed`, for a person to decide.

use serde_json::Value;
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::control::{CommandKind, EntryOrder, Order, WalWanted};
use tidewatch_domain::drain::{Dependants, DrainAction};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::Millis;

use super::jobs::Done;
use crate::sync::drain::{NewEvent, group_of};
use crate::sync::sealing::{Stored, row_seal, sealed_row};
use crate::sync::statements::control::{ARCHIVE_ADD, ARCHIVE_JOIN, ARCHIVE_MUTATION, ARCHIVE_TAKE, COMMAND_ESCROWING};
use crate::sync::writer::Writer;
use crate::{Error, Result};

/// One intent that is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscrowLine {
    /// Which.
    pub operation_id: String,
    /// The intent as it was frozen, JSON text.
    pub intent: String,
    /// Why the device could not send it: code and words.
    pub error: Option<(String, String)>,
    /// Whether a person holds it on the device.
    pub held: bool,
}

/// What became of intents that were handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Escrowed {
    /// Kept now.
    pub stored: u64,
    /// Were here already, the same.
    pub duplicates: u64,
    /// Operations that were answered while they were handed over, and not with a refusal: not kept.
    pub settled: Vec<String>,
    /// Operation, code and words of those that were not kept.
    pub refused: Vec<(String, &'static str, String)>,
}

/// A row of the archive for an intent that comes again.
#[derive(sqlx::FromRow)]
struct Here {
    #[sqlx(flatten)]
    stored: Stored,
    purged: bool,
    together: Option<i64>,
}

/// The group of the line before, by its name and by the row of the archive that all of it shares: lines come in the order of the outbox,
/// and of a group nothing else stands in between.
type Group = Option<(String, i64)>;

/// Under which command intents come.
struct Under {
    id: String,
    reason: String,
    actor: String,
    job: Option<i64>,
    /// Of that job: what waits behind what it takes out goes on without it, and until when it can be put back.
    cuts: bool,
    restore_until_ms: Option<i64>,
    order: Order,
}

/// Where a payload is kept: state in the archive, state in the mirror (none: it stays as it is), origin.
#[derive(Clone, Copy)]
struct Shelf {
    state: i64,
    mirror: Option<i64>,
    origin: i64,
}

/// Origin of what its device has uploaded and keeps.
const UPLOADED: i64 = 2;
const ESCROWED: Shelf = Shelf { state: 6, mirror: Some(6), origin: 3 };

impl Shelf {
    const fn of_action(action: DrainAction) -> Self {
        match action {
            DrainAction::Skip => Self { state: 3, mirror: Some(8), origin: 3 },
            DrainAction::Quarantine => Self { state: 4, mirror: Some(7), origin: 3 },
            DrainAction::Discard => Self { state: 5, mirror: Some(9), origin: 3 },
            _ => ESCROWED,
        }
    }

    /// Whether what depends on an intent that is put here goes on without it.
    const fn passes(self, cuts: bool) -> bool {
        matches!((self.state, cuts), (3, _) | (4 | 5, true))
    }

    /// The state that it is restored to.
    const fn home(self) -> i64 {
        if self.state == ESCROWED.state { ESCROWED.state } else { 0 }
    }

    const fn is_drained(self) -> bool {
        matches!(self.state, 3..=5)
    }
}

impl Under {
    /// Where an intent goes; `None` when the command is not about it.
    fn shelf(&self, line: &EscrowLine) -> Option<Shelf> {
        // It stays on the device, in the state that it has there.
        let uploaded = Shelf { state: if line.held { 2 } else { 0 }, mirror: None, origin: UPLOADED };
        match &self.order {
            Order::Drain(entries) => {
                let named = |entry: &&EntryOrder| entry.operation_id.as_str() == line.operation_id;
                entries.iter().find(named).map(|entry| Shelf::of_action(entry.action))
            }
            Order::UploadWal { wanted: WalWanted::All, .. } => Some(uploaded),
            Order::UploadWal { wanted: WalWanted::Operations(ids), .. } => {
                ids.iter().any(|id| id.as_str() == line.operation_id).then_some(uploaded)
            }
            Order::Resync { .. } => Some(ESCROWED),
            Order::RefreshPolicy | Order::Mesh(_) | Order::UploadLogs { .. } => None,
        }
    }
}

impl Writer {
    pub(super) async fn escrow_write(
        &mut self,
        client_id: &ClientId,
        command: Option<&str>,
        lines: &[EscrowLine],
        now: Millis,
    ) -> Done<Escrowed> {
        let client = match self.client_key(client_id) {
            Ok(client) => client,
            Err(error) => return Ok(Err(error)),
        };
        let under = match command {
            None => None,
            Some(id) => match self.escrow_command(client, id).await? {
                Some(under) => Some(under),
                None => return Ok(Err(Error::NotFound("command"))),
            },
        };
        let (mut done, mut group) = (Escrowed::default(), Group::None);
        for line in lines {
            let name = group_of(&line.intent);
            group = group.filter(|(known, _)| Some(known) == name.as_ref());
            let shelf = under.as_ref().map_or(Some(ESCROWED), |under| under.shelf(line));
            match shelf {
                None => {
                    done.refused.push((line.operation_id.clone(), "not_of_command", "the command does not name it".to_owned()));
                }
                Some(shelf) => {
                    let first = group.as_ref().map(|(_, first)| *first);
                    let together =
                        self.escrow_one(client, under.as_ref(), line, shelf, name.is_some(), first, now, &mut done).await?;
                    group = name.zip(together).or(group);
                }
            }
        }
        if done.stored > 0 {
            self.audit_append(&[escrow_audited(client_id, command, &done, now)]).await?;
        }
        Ok(Ok(done))
    }

    async fn escrow_command(&mut self, client: ClientKey, id: &str) -> Result<Option<Under>> {
        let query = sqlx::query_as(COMMAND_ESCROWING).bind(id.to_owned()).bind(client.0);
        let found: Option<(i64, String, String, String, Option<String>)> = query.fetch_optional(&mut self.connection).await?;
        let Some((kind, args, actor, reason, job)) = found else { return Ok(None) };
        let kind = usize::try_from(kind).ok().and_then(|kind| CommandKind::ALL.get(kind).copied());
        let args: Value = serde_json::from_str(&args).map_err(|error| Error::Corrupt(error.to_string()))?;
        let order = kind.and_then(|kind| Order::read(kind, &args).ok());
        let order = order.ok_or_else(|| Error::Corrupt("the arguments of a command cannot be read".to_owned()))?;
        // Jobs are named by a letter and their number.
        let job = match job.and_then(|job| job.trim_start_matches('J').parse().ok()) {
            Some(job) => self.job_load(job).await?,
            None => None,
        };
        Ok(Some(Under {
            id: id.to_owned(),
            reason,
            actor,
            cuts: job.as_ref().is_some_and(|job| job.dependants == Dependants::Cut.as_str()),
            restore_until_ms: job.as_ref().and_then(|job| job.restore_until_ms),
            job: job.map(|job| job.id),
            order,
        }))
    }

    /// Keeps one line. Answers the row that its group shares, when it has one: that of the line before, or its own.
    #[expect(clippy::too_many_arguments, reason = "a line, under what it comes, and what of it is answered")]
    async fn escrow_one(
        &mut self,
        client: ClientKey,
        under: Option<&Under>,
        line: &EscrowLine,
        shelf: Shelf,
        grouped: bool,
        first: Option<i64>,
        now: Millis,
        done: &mut Escrowed,
    ) -> Result<Option<i64>> {
        let query = sqlx::query_as(ARCHIVE_MUTATION).bind(client.0).bind(line.operation_id.clone());
        let here: Option<Here> = query.fetch_optional(&mut self.connection).await?;
        if let Some(here) = here {
            let (id, known) = (here.stored.id, here.together);
            let same = self.escrow_again(here, line, done).await?;
            if same && shelf.origin != UPLOADED && self.escrow_take(id, under, shelf, now).await? {
                self.escrow_told(client, under, line, shelf, now).await?;
            }
            let together = known.or(first).unwrap_or(id);
            if same && grouped && known.is_none() {
                sqlx::query(ARCHIVE_JOIN).bind(id).bind(together).execute(&mut self.connection).await?;
            }
            return Ok((same && grouped).then_some(together));
        }
        if !self.answered_of(client, &[&line.operation_id]).await?.is_empty() {
            done.settled.push(line.operation_id.clone());
            return Ok(None);
        }
        self.state.dead_letter_last += 1;
        let together = grouped.then(|| first.unwrap_or(self.state.dead_letter_last));
        let (code, detail) = line.error.clone().unzip();
        let (left, sealed) = sealed_row(&self.shared.vault, client.0, &line.operation_id, &line.intent)?;
        sqlx::query(ARCHIVE_ADD)
            .bind(self.state.dead_letter_last)
            .bind(client.0)
            .bind(line.operation_id.clone())
            .bind(code.unwrap_or_else(|| "not_sent".to_owned()))
            .bind(detail)
            .bind(left)
            .bind(shelf.origin)
            .bind(shelf.state)
            .bind(shelf.home())
            .bind(under.map(|under| under.reason.clone()))
            .bind(under.map(|under| under.actor.clone()))
            .bind(under.and_then(|under| under.job))
            .bind(now.0)
            .bind(sealed)
            .bind(shelf.passes(under.is_some_and(|under| under.cuts)))
            .bind(under.and_then(|under| under.restore_until_ms).filter(|_| shelf.is_drained()))
            .bind(together)
            .execute(&mut self.connection)
            .await?;
        self.handed.insert(client);
        self.escrow_told(client, under, line, shelf, now).await?;
        done.stored += 1;
        Ok(together)
    }

    /// An upload that nobody has acted on was its device's. From here on it is where the command wants it. Answers whether it was one.
    async fn escrow_take(&mut self, id: i64, under: Option<&Under>, shelf: Shelf, now: Millis) -> Result<bool> {
        let done = sqlx::query(ARCHIVE_TAKE)
            .bind(id)
            .bind(shelf.origin)
            .bind(shelf.state)
            .bind(shelf.home())
            .bind(under.map(|under| under.reason.clone()))
            .bind(under.map(|under| under.actor.clone()))
            .bind(under.and_then(|under| under.job))
            .bind(now.0)
            .bind(shelf.passes(under.is_some_and(|under| under.cuts)))
            .bind(under.and_then(|under| under.restore_until_ms).filter(|_| shelf.is_drained()))
            .execute(&mut self.connection)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn escrow_told(
        &mut self,
        client: ClientKey,
        under: Option<&Under>,
        line: &EscrowLine,
        shelf: Shelf,
        now: Millis,
    ) -> Result<()> {
        let event = NewEvent {
            client,
            operation_id: line.operation_id.clone(),
            state: shelf.mirror,
            pending: None,
            job: under.and_then(|under| under.job),
            command: under.map(|under| under.id.clone()),
            at: now,
            detail: line.error.as_ref().map(|(code, _)| code.clone()),
        };
        self.events_add(&[event]).await
    }

    /// An intent that is here already; answers whether it is this one. What was refused here stood readable until its device handed it over.
    async fn escrow_again(&mut self, here: Here, line: &EscrowLine, done: &mut Escrowed) -> Result<bool> {
        let Here { stored, purged, .. } = here;
        // What was purged is not taken in again: its payload stands in an export.
        if purged {
            done.duplicates += 1;
            return Ok(false);
        }
        let vault = &self.shared.vault;
        let kept = vault.text(stored.client, &stored.operation_id, stored.mutation.clone(), stored.sealed.as_deref())?;
        if !same(&kept, &line.intent) {
            let words = "another intent was kept under this operation id".to_owned();
            done.refused.push((line.operation_id.clone(), "idempotency_key_reused", words));
            return Ok(false);
        }
        done.duplicates += 1;
        if stored.sealed.is_none() {
            sqlx::query("pragma secure_delete = on").execute(&mut self.connection).await?;
            row_seal(vault, stored, &mut self.connection).await?;
            sqlx::query("pragma secure_delete = off").execute(&mut self.connection).await?;
        }
        Ok(true)
    }
}

/// Whether two texts are the same intent, however they are written.
fn same(one: &str, other: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    one == other || read(one).is_some_and(|value| Some(value) == read(other))
}

fn escrow_audited(client_id: &ClientId, command: Option<&str>, done: &Escrowed, now: Millis) -> AuditEntry {
    AuditEntry {
        at: now,
        actor: format!("device:{client_id}"),
        action: "escrow_put",
        subject: Some(format!("device:{client_id}")),
        before: None,
        after: Some(serde_json::json!({ "stored": done.stored, "command": command }).to_string()),
        trace_id: None,
    }
}
