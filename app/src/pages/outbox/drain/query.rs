//! State of the page of a frozen set: whether the choice about those behind was made, and what a refused form had in it.
//!
//! A refusal leads back with the name of the field and with what was typed; its words are made here, from the same limits that the
//! service enforces, so that no text of an address is ever shown as ours.

use tidewatch_domain::drain::{CANARY_ENTRIES, CANARY_FROM_ENTRIES, RATE_PER_S, REASON_CHARS_MAX, REASON_CHARS_MIN};
use tidewatch_domain::fleet::{DrainChange, DrainPreview};

use crate::format::count;
use crate::pages::params::Params;
use crate::paths::{self, Query};

/// Entries a second that the form offers; none is as fast as it goes.
pub const RATES: [Option<u32>; 4] = [Some(10), Some(RATE_PER_S), Some(200), None];

/// What the form holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Why.
    pub reason: String,
    /// The number of entries, typed.
    pub typed: String,
    /// Entries of the canary, as the form names them; empty without one.
    pub canary: String,
    /// Entries a second, as the form names it; `all` is as fast as it goes.
    pub rate: String,
}

/// State of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialogQuery {
    /// Whether the choice about the entries behind was made.
    pub chosen: bool,
    /// The field that was refused, or a word of [`crate::pages::outbox::notice`].
    pub problem: Option<String>,
    /// What was typed, when a form led back.
    pub draft: Option<Draft>,
    /// Why a submission was refused as no longer what was frozen.
    pub change: Option<DrainChange>,
}

impl Draft {
    /// What the form sent.
    #[must_use]
    pub fn posted(reason: String, typed: String, canary: String, rate: String) -> Self {
        Self { reason: reason.trim().to_owned(), typed: typed.trim().to_owned(), canary, rate }
    }

    /// What a new form starts with.
    #[must_use]
    pub fn fresh(preview: &DrainPreview) -> Self {
        Self {
            canary: if preview.entries > CANARY_FROM_ENTRIES { CANARY_ENTRIES.to_string() } else { String::new() },
            rate: rate_word(Some(RATE_PER_S)),
            ..Self::default()
        }
    }

    /// The rate that it names.
    #[must_use]
    pub fn rate_per_s(&self) -> Option<Option<u32>> {
        RATES.into_iter().find(|rate| rate_word(*rate) == self.rate)
    }

    /// Entries of the canary, zero without one; `None` when it is no number.
    #[must_use]
    pub fn canary_entries(&self) -> Option<u32> {
        if self.canary.is_empty() { Some(0) } else { self.canary.parse().ok() }
    }

    /// The number that was typed: digits, with commas or spaces between them or without.
    #[must_use]
    pub fn typed_count(&self) -> Option<u64> {
        let digits: String = self.typed.chars().filter(|letter| !matches!(letter, ',' | ' ' | '\u{a0}')).collect();
        digits.parse().ok()
    }
}

/// A rate as the form and the address name it.
#[must_use]
pub fn rate_word(rate: Option<u32>) -> String {
    rate.map_or_else(|| "all".to_owned(), |rate| rate.to_string())
}

/// Whether the number of entries has to be typed: where a second person has to approve it.
#[must_use]
pub fn needs_typed(preview: &DrainPreview) -> bool {
    preview.needs_approval
}

impl DialogQuery {
    /// Reads the state. What cannot be read is left out: it only ever fills a form.
    #[must_use]
    pub fn parse(params: &Params) -> Self {
        let text = |key: &str| params.one(key).unwrap_or_default().to_owned();
        let number = |key: &str| params.one(key).and_then(|text| text.parse().ok());
        let draft = params.one("problem").map(|_| Draft {
            reason: text("reason"),
            typed: text("typed"),
            canary: text("canary"),
            rate: text("rate"),
        });
        let change = match (number("frozen"), number("now"), number("added"), number("removed")) {
            (Some(frozen), Some(now), Some(added), Some(removed)) => Some(DrainChange { frozen, now, added, removed }),
            _ => None,
        };
        Self { chosen: params.one("chosen").is_some(), problem: params.one("problem").map(str::to_owned), draft, change }
    }

    /// The address of a set with this state.
    #[must_use]
    pub fn on(&self, set: &str) -> String {
        let mut query =
            Query::new().with("chosen", if self.chosen { "1" } else { "" }).with_some("problem", self.problem.as_deref());
        if let Some(draft) = &self.draft {
            query = query
                .with("reason", &draft.reason)
                .with("typed", &draft.typed)
                .with("canary", &draft.canary)
                .with("rate", &draft.rate);
        }
        if let Some(change) = &self.change {
            let pairs = [("frozen", change.frozen), ("now", change.now), ("added", change.added), ("removed", change.removed)];
            query = pairs.into_iter().fold(query, |query, (key, n)| query.with(key, &n.to_string()));
        }
        query.on(&paths::drain_set(set))
    }

    /// What is wrong with a field of the form, in words; `None` when it was not refused.
    #[must_use]
    pub fn wrong(&self, field: &str, preview: &DrainPreview) -> Option<String> {
        if self.problem.as_deref() != Some(field) {
            return None;
        }
        let draft = self.draft.clone().unwrap_or_default();
        let letters = draft.reason.trim().chars().count();
        Some(match field {
            "reason" if letters < REASON_CHARS_MIN => format!("Say why, in {REASON_CHARS_MIN} characters or more."),
            "reason" if letters > REASON_CHARS_MAX => format!("Say why in {REASON_CHARS_MAX} characters or fewer."),
            "typed_count" => match draft.typed_count() {
                Some(typed) => format!("You typed {}. The set holds {}.", count(typed), count(preview.entries)),
                None if draft.typed.is_empty() => format!("Type the number of entries: {}.", count(preview.entries)),
                None => format!("What you typed is no number. The set holds {}.", count(preview.entries)),
            },
            "rate_per_s" => "Choose one of the rates.".to_owned(),
            "canary" => format!("A canary has 1 to {} entries.", count(preview.entries.saturating_sub(1).max(1))),
            _ => "This was refused. Nothing was done.".to_owned(),
        })
    }
}
