//! Device health (`control.md` 3): the two axes, drift and its four gates, from server-side facts and reports.
//!
//! Never from socket state. [`assess`] is a function of the facts and of one instant; it also says when its answer changes
//! by the passing of time alone ([`Assessment::due`]), so a store can keep answers as columns and look again only then.

use crate::fleet::{Condition, Contact, Drift, DriftCause, Gate};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};

/// So many gaps between contacts make the rhythm.
pub const RHYTHM_GAPS: usize = 20;
/// Contacts closer than this are one check-in: a device pushes, pulls and reports in one go.
pub const CONTACT_MERGE_MS: i64 = 30_000;
/// Overdue after so many usual intervals.
pub const OVERDUE_FACTOR: i64 = 3;
/// Never overdue before this.
pub const OVERDUE_FLOOR_MS: i64 = 15 * MINUTE_MS;
/// Overdue after this while the rhythm is not known.
pub const OVERDUE_UNKNOWN_MS: i64 = 3 * DAY_MS;
/// Lost after this.
pub const LOST_MS: i64 = 30 * DAY_MS;
/// Its last report says nothing any more after so many usual intervals.
pub const SILENT_FACTOR: i64 = 7;
/// Never silent before this.
pub const SILENT_FLOOR_MS: i64 = HOUR_MS;
/// Silent after this while the rhythm is not known.
pub const SILENT_UNKNOWN_MS: i64 = 7 * DAY_MS;
/// Stuck when pushes are not acknowledged for so long.
pub const STUCK_MS: i64 = 2 * HOUR_MS;
/// A gate that has been shut for less is a request under way.
pub const GATE_GRACE_MS: i64 = MINUTE_MS;

/// Which digest verdict is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DigestState {
    /// None reported at a position that could be compared.
    #[default]
    Unknown,
    /// Last compared equal.
    Identical,
    /// Last compared different, since.
    Diverged {
        /// First seen different.
        since: Millis,
        /// Collections that differ, e.g. `assets`.
        collections: Vec<String>,
    },
}

/// What health follows from. `None` is *not known*.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthFacts {
    /// Last contact of any kind.
    pub last_contact: Option<Millis>,
    /// Median gap of its last contacts.
    pub interval_ms: Option<i64>,
    /// When the latest report was taken.
    pub last_report: Option<Millis>,
    /// Operations not finally answered.
    pub queue_depth: Option<i64>,
    /// Of them, poisoned, server-side refusals included.
    pub poisoned: i64,
    /// Of them, failing and retrying.
    pub retrying: i64,
    /// Of them, behind others.
    pub waiting: i64,
    /// Of them, stopped by a person.
    pub held: i64,
    /// When the oldest of them was made.
    pub oldest_pending: Option<Millis>,
    /// Last attempt to push, as seen by the server or as reported.
    pub last_attempt: Option<Millis>,
    /// When requests of this device began to fail as a whole, if the latest did.
    pub failing_since: Option<Millis>,
    /// Changes of its scopes it has not pulled.
    pub behind: Option<i64>,
    /// Since when it has been behind without progress of its pulls.
    pub behind_since: Option<Millis>,
    /// Whether it reports the cursors it has applied.
    pub reports_cursor: bool,
    /// Since when its reported cursor is short of what it pulled.
    pub unapplied_since: Option<Millis>,
    /// Digest verdict.
    pub digest: DigestState,
}

/// When the contact axis changes, if nothing comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Quiet from here on.
    pub quiet_at: Millis,
    /// Overdue from here on.
    pub overdue_at: Millis,
    /// What it last reported says nothing from here on.
    pub silent_at: Millis,
    /// Lost from here on.
    pub lost_at: Millis,
}

/// The thresholds of a device after its last contact.
#[must_use]
pub fn thresholds(last_contact: Millis, interval_ms: Option<i64>) -> Thresholds {
    let (overdue, silent) = match interval_ms {
        Some(gap) => (
            gap.saturating_mul(OVERDUE_FACTOR).clamp(OVERDUE_FLOOR_MS, LOST_MS),
            gap.saturating_mul(SILENT_FACTOR).clamp(SILENT_FLOOR_MS, LOST_MS),
        ),
        None => (OVERDUE_UNKNOWN_MS, SILENT_UNKNOWN_MS),
    };
    // Half way to overdue: later than usual, with the same floor in proportion.
    Thresholds {
        quiet_at: last_contact.plus(overdue / 2),
        overdue_at: last_contact.plus(overdue),
        silent_at: last_contact.plus(silent),
        lost_at: last_contact.plus(LOST_MS),
    }
}

/// The contact axis.
#[must_use]
pub fn contact(facts: &HealthFacts, now: Millis) -> Contact {
    let Some(last) = facts.last_contact else {
        return Contact::Never;
    };
    let at = thresholds(last, facts.interval_ms);
    if now >= at.lost_at {
        Contact::Lost
    } else if now >= at.overdue_at {
        Contact::Overdue
    } else if now >= at.quiet_at {
        Contact::Quiet
    } else {
        Contact::Active
    }
}

/// Health of a device at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// First axis.
    pub condition: Condition,
    /// Second axis.
    pub contact: Contact,
    /// Since when each gate is shut, in the order of [`DriftCause::ALL`].
    pub gates: [GateState; 4],
    /// When the answer changes next if nothing comes in.
    pub due: Option<Millis>,
}

/// One gate of drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Open.
    Open,
    /// Shut, since.
    Shut(Millis),
    /// Cannot be told.
    Unknown,
}

impl GateState {
    /// Since when, if shut.
    #[must_use]
    pub const fn since(self) -> Option<Millis> {
        match self {
            Self::Shut(since) => Some(since),
            Self::Open | Self::Unknown => None,
        }
    }
}

impl Assessment {
    /// Since when the gate that has been shut longest is shut.
    #[must_use]
    pub fn drift_since(&self) -> Option<Millis> {
        self.gates.iter().filter_map(|gate| gate.since()).min()
    }

    /// The first gate that is shut.
    #[must_use]
    pub fn drift_cause(&self) -> Option<DriftCause> {
        DriftCause::ALL.into_iter().zip(self.gates).find(|(_, gate)| gate.since().is_some()).map(|(cause, _)| cause)
    }

    /// Drift age: of the gate shut longest, 0 with every known gate open, `None` when no gate can be told.
    #[must_use]
    pub fn drift_age_ms(&self, now: Millis) -> Option<i64> {
        let known = self.gates.iter().any(|gate| *gate != GateState::Unknown);
        known.then(|| self.drift_since().map_or(0, |since| now.since(since).max(0)))
    }

    /// Drift with the fact behind each gate.
    #[must_use]
    pub fn drift(&self, notes: [String; 4], now: Millis) -> Drift {
        let mut notes = notes.into_iter();
        let mut next = |cause, state: GateState| Gate {
            cause,
            shut_ms: match state {
                GateState::Open => Some(0),
                GateState::Shut(since) => Some(now.since(since).max(0)),
                GateState::Unknown => None,
            },
            note: notes.next().unwrap_or_default(),
        };
        let [a, b, c, d] = DriftCause::ALL;
        let gates = [next(a, self.gates[0]), next(b, self.gates[1]), next(c, self.gates[2]), next(d, self.gates[3])];
        Drift { age_ms: self.drift_age_ms(now), cause: self.drift_cause(), gates }
    }
}

/// Health of a device now.
#[must_use]
pub fn assess(facts: &HealthFacts, now: Millis) -> Assessment {
    let contact = contact(facts, now);
    let gates = [not_connected(facts, contact), not_pulling(facts, now), not_applying(facts, now), not_acknowledged(facts, now)];
    let condition = condition(facts, contact, &gates, now);
    Assessment { condition, contact, gates, due: due(facts, now) }
}

fn not_connected(facts: &HealthFacts, contact: Contact) -> GateState {
    match (contact, facts.last_contact) {
        (Contact::Overdue | Contact::Lost, Some(last)) => GateState::Shut(last),
        (Contact::Never, _) | (_, None) => GateState::Unknown,
        _ => GateState::Open,
    }
}

/// Shut when the device was in contact after its scopes moved on, and its pulls still made no progress.
fn not_pulling(facts: &HealthFacts, now: Millis) -> GateState {
    match (facts.behind, facts.behind_since, facts.last_contact) {
        (Some(0), ..) => GateState::Open,
        (Some(_), Some(since), Some(last)) if last >= since.plus(GATE_GRACE_MS) && now >= since => GateState::Shut(since),
        (Some(_), ..) => GateState::Open,
        (None, ..) => GateState::Unknown,
    }
}

fn not_applying(facts: &HealthFacts, now: Millis) -> GateState {
    match facts.unapplied_since {
        _ if !facts.reports_cursor => GateState::Unknown,
        Some(since) if now >= since.plus(GATE_GRACE_MS) => GateState::Shut(since),
        _ => GateState::Open,
    }
}

/// Shut when an attempt came well after the oldest pending operation was made, and that operation is still pending.
fn not_acknowledged(facts: &HealthFacts, now: Millis) -> GateState {
    match (facts.queue_depth, facts.oldest_pending, facts.last_attempt) {
        (Some(0), ..) => GateState::Open,
        (_, Some(oldest), Some(attempt)) if attempt >= oldest.plus(GATE_GRACE_MS) && now >= oldest => GateState::Shut(oldest),
        (None, None, _) => GateState::Unknown,
        _ => GateState::Open,
    }
}

fn condition(facts: &HealthFacts, contact: Contact, gates: &[GateState; 4], now: Millis) -> Condition {
    // Server-side refusals are known whether the device is there or not.
    if facts.poisoned > 0 {
        return Condition::Stuck;
    }
    let silent = facts.last_contact.is_none_or(|last| now >= thresholds(last, facts.interval_ms).silent_at);
    if facts.last_report.is_none() || silent || contact == Contact::Lost {
        return Condition::Unknown;
    }
    if gates[3].since().is_some_and(|since| now >= since.plus(STUCK_MS)) {
        return Condition::Stuck;
    }
    let pending = facts.queue_depth.unwrap_or(0);
    if pending == 0 && matches!(facts.digest, DigestState::Diverged { .. }) {
        return Condition::Diverged;
    }
    if facts.retrying > 0 || facts.failing_since.is_some() {
        return Condition::Stalling;
    }
    if facts.held > 0 {
        return Condition::Held;
    }
    if pending > 0 || facts.behind.is_some_and(|behind| behind > 0) {
        return Condition::CatchingUp;
    }
    Condition::Converged
}

fn due(facts: &HealthFacts, now: Millis) -> Option<Millis> {
    let contact = facts.last_contact.map(|last| thresholds(last, facts.interval_ms));
    let contact = contact.map(|at| [at.quiet_at, at.overdue_at, at.silent_at, at.lost_at]);
    let gates = [facts.oldest_pending.map(|at| at.plus(STUCK_MS)), facts.unapplied_since.map(|at| at.plus(GATE_GRACE_MS))];
    contact.into_iter().flatten().chain(gates.into_iter().flatten()).filter(|at| *at > now).min()
}

/// Merges contact times into check-ins, oldest first, and keeps the last `keep`.
#[must_use]
pub fn check_ins(mut contacts: Vec<Millis>, keep: usize) -> Vec<Millis> {
    contacts.sort_unstable();
    let mut kept: Vec<Millis> = Vec::with_capacity(contacts.len());
    for at in contacts {
        if kept.last().is_none_or(|last| at.since(*last) >= CONTACT_MERGE_MS) {
            kept.push(at);
        }
    }
    let surplus = kept.len().saturating_sub(keep);
    kept.split_off(surplus)
}

/// Median gap of the last [`RHYTHM_GAPS`] gaps between check-ins; `None` with fewer than two check-ins.
#[must_use]
pub fn median_gap_ms(check_ins: &[Millis]) -> Option<i64> {
    let mut gaps: Vec<i64> = check_ins.windows(2).rev().take(RHYTHM_GAPS).map(|pair| pair[1].since(pair[0])).collect();
    gaps.sort_unstable();
    match gaps.len() {
        0 => None,
        n if n % 2 == 1 => Some(gaps[n / 2]),
        n => Some(i64::midpoint(gaps[n / 2 - 1], gaps[n / 2])),
    }
}

/// The last `slots` expected check-ins, oldest first: `true` kept. None before the first check-in that is known.
///
/// A slot is one usual interval; a check-in up to half an interval early keeps it.
#[must_use]
pub fn rhythm(check_ins: &[Millis], interval_ms: Option<i64>, now: Millis, slots: usize) -> Vec<bool> {
    let (Some(first), Some(gap)) = (check_ins.first(), interval_ms) else {
        return Vec::new();
    };
    let gap = gap.max(CONTACT_MERGE_MS);
    let mut kept: Vec<bool> = (0..slots)
        .map(|slot| now.plus(-(gap.saturating_mul(slot as i64))))
        .map_while(|end| {
            let start = end.plus(-gap);
            let early = start.plus(-gap / 2);
            (end > *first).then(|| check_ins.iter().any(|at| *at > early && *at <= end))
        })
        .collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests;
