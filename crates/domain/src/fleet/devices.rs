//! The device table: its rows, its orders, the counts of its views.

use super::state::{Condition, Contact, DriftCause, Score};
use crate::ids::ClientId;
use crate::page::Page;
use crate::time::Millis;

/// One line of the device table.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRow {
    /// Which device.
    pub client_id: ClientId,
    /// Its name; the head of its id when it reported none.
    pub name: String,
    /// Who it belongs to.
    pub principal: String,
    /// See [`crate::report::DeviceFacts::platform`].
    pub platform: Option<String>,
    /// Version of the operating system.
    pub os_version: Option<String>,
    /// Version of the app.
    pub app_version: Option<String>,
    /// Whether the simulator made it.
    pub simulated: bool,
    /// First axis, in words.
    pub condition: Condition,
    /// Second line of the status, e.g. "9 rejected, 44 waiting".
    pub condition_note: String,
    /// Second axis.
    pub contact: Contact,
    /// Last contact of any kind.
    pub last_contact: Option<Millis>,
    /// Its usual gap between contacts.
    pub interval_ms: Option<i64>,
    /// Its last 12 expected check-ins, oldest first: `true` kept, `false` missed.
    pub rhythm: Vec<bool>,
    /// Operations not finally answered.
    pub queue_depth: Option<i64>,
    /// Of them, poisoned.
    pub poisoned: i64,
    /// When the oldest of them was made.
    pub oldest_pending: Option<Millis>,
    /// Drift.
    pub drift_age_ms: Option<i64>,
    /// The shut gate.
    pub drift_cause: Option<DriftCause>,
    /// Battery charge, percent.
    pub battery_percent: Option<f64>,
    /// Its last 24 battery charges, oldest first.
    pub battery_trend: Vec<f64>,
    /// Resilience score.
    pub score: Score,
    /// Open conflicts.
    pub conflicts: i64,
    /// Changes of its scopes it has not pulled.
    pub behind: Option<i64>,
}

/// Order of the device table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceSort {
    /// Worst condition first, then deepest queue; the default.
    #[default]
    Worst,
    /// Deepest queue first.
    Queue,
    /// Oldest drift first.
    Drift,
    /// Latest contact first.
    Contact,
    /// By name.
    Name,
    /// Lowest score first.
    Score,
}

impl DeviceSort {
    /// Every order.
    pub const ALL: [Self; 6] = [Self::Worst, Self::Queue, Self::Drift, Self::Contact, Self::Name, Self::Score];

    /// As the URL writes it (`?sort=queue`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worst => "worst",
            Self::Queue => "queue",
            Self::Drift => "drift",
            Self::Contact => "contact",
            Self::Name => "name",
            Self::Score => "score",
        }
    }

    /// Reads what [`DeviceSort::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

/// How many devices are in each condition and contact, for tabs and sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetCounts {
    /// All devices.
    pub devices: u64,
    /// In the order of [`Condition::ALL`].
    pub by_condition: [u64; 7],
    /// In the order of [`Contact::ALL`].
    pub by_contact: [u64; 5],
    /// Made by the simulator.
    pub simulated: u64,
}

/// A list of devices with the counts that its tabs need.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceList {
    /// The page.
    pub page: Page<DeviceRow>,
    /// Of the whole fleet.
    pub counts: FleetCounts,
    /// Computed at.
    pub as_of: Millis,
}
