//! What follows from the state of one device: depth and age of its queue, rhythm, health, scores.

use tidewatch_domain::fleet::{Condition, Scores};
use tidewatch_domain::health::{self, Assessment, DigestState, HealthFacts};
use tidewatch_domain::report::{BatteryOptimization, Connectivity, EntryState, OfflineResilience, STATES, UserExperience};
use tidewatch_domain::score::{ScoreInputs, scores};
use tidewatch_domain::time::Millis;

use super::{DeviceDoc, DigestVerdict, later, relay_quality};

impl DeviceDoc {
    /// Operations not finally answered, as far as is known.
    pub(crate) fn queue_depth(&self) -> Option<i64> {
        let mirrored: i64 = self.states.iter().sum();
        // A device counts what was drained here until it has heard of it.
        let left = self.outbox_total.map(|total| (total - self.drained_listed).max(0));
        match left.or(self.queued) {
            Some(reported) => Some(reported.max(mirrored)),
            None => (mirrored > 0).then_some(mirrored),
        }
    }

    /// When the oldest pending operation was made.
    pub(crate) fn oldest(&self) -> Option<i64> {
        match (self.oldest_pending, self.mirrored_oldest) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
        .filter(|_| self.queue_depth() != Some(0))
    }

    /// Mirrored entries in a state.
    pub(crate) fn state_count(&self, state: EntryState) -> i64 {
        EntryState::ALL.iter().position(|known| *known == state).map_or(0, |at| self.states_all()[at])
    }

    /// Mirrored entries in each state, in the order of [`EntryState::ALL`].
    pub(crate) fn states_all(&self) -> [i64; STATES] {
        let mut all = [0; STATES];
        all.iter_mut().zip(self.states.iter().chain(&self.drained)).for_each(|(to, from)| *to = *from);
        all
    }

    /// The problem code behind a condition, if there is one.
    pub(crate) fn trouble_code(&self, condition: Condition) -> Option<&str> {
        match condition {
            Condition::Stuck => self.poison_code.as_deref(),
            _ => self.failing_code.as_deref(),
        }
    }

    /// Its usual gap between contacts.
    pub(crate) fn interval_ms(&self) -> Option<i64> {
        let times: Vec<Millis> = self.check_ins.iter().copied().map(Millis).collect();
        health::median_gap_ms(&times)
    }

    /// What its health follows from.
    pub(crate) fn health_facts(&self) -> HealthFacts {
        let differing: Vec<&DigestVerdict> = self.verdicts.iter().filter(|verdict| !verdict.same).collect();
        let digest = match (differing.iter().filter_map(|verdict| verdict.since).min(), self.verdicts.is_empty()) {
            (_, true) => DigestState::Unknown,
            (Some(since), _) => DigestState::Diverged {
                since: Millis(since),
                collections: differing.iter().map(|verdict| verdict.collection.clone()).collect(),
            },
            (None, false) => DigestState::Identical,
        };
        HealthFacts {
            last_contact: self.last_contact.map(Millis),
            interval_ms: self.interval_ms(),
            last_report: self.report_at.map(Millis),
            queue_depth: self.queue_depth(),
            poisoned: self.state_count(EntryState::Poisoned),
            retrying: self.state_count(EntryState::Retrying),
            waiting: self.state_count(EntryState::Waiting),
            held: self.state_count(EntryState::Held),
            oldest_pending: self.oldest().map(Millis),
            last_attempt: self.last_attempt.map(Millis),
            failing_since: self.failing_since.map(Millis),
            behind: self.behind,
            behind_since: self.behind_since.map(Millis),
            reports_cursor: !self.cursors.is_empty(),
            unapplied_since: self.unapplied_since.map(Millis),
            digest,
        }
    }

    /// Its health at an instant.
    pub(crate) fn assess(&self, now: i64) -> Assessment {
        health::assess(&self.health_facts(), Millis(now))
    }

    /// Its scores at an instant.
    pub(crate) fn scores(&self, now: i64) -> Scores {
        let last_sync = later(self.last_sync, self.last_ack);
        scores(&ScoreInputs {
            connectivity: Connectivity {
                p2p_peers_connected: self.peers,
                relay_connection_quality: self.relay.map(relay_quality),
                network_partition_duration: self.partition_s,
                last_successful_sync: last_sync.map(Millis),
            },
            offline_resilience: OfflineResilience {
                queued_operations_count: self.queued.or(self.outbox_total),
                critical_operations_pending: self.critical,
                storage_usage_percent: self.storage,
                sync_conflicts_detected: self.conflicts_detected,
            },
            battery_optimization: BatteryOptimization {
                background_processing_efficiency: self.efficiency,
                battery_impact_score: self.impact,
                sync_frequency_adaptive_rate: self.adaptive,
            },
            user_experience: UserExperience {
                offline_feature_availability_percent: self.availability,
                sync_conflict_resolution_success_rate: self.resolution,
                user_intervention_required_count: self.interventions,
            },
            sync_age_ms: last_sync.map(|at| now - at),
            interval_ms: self.interval_ms(),
        })
    }
}
