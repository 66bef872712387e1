//! Which items of a job a list shows.

use super::ItemOutcome;

/// All items of a job, those of one outcome, or of what failed or was left alone those of one code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemFilter {
    outcome: Option<ItemOutcome>,
    code: Option<String>,
}

impl ItemFilter {
    /// A filter; `None` for a code without an outcome that has reasons.
    #[must_use]
    pub fn new(outcome: Option<ItemOutcome>, code: Option<String>) -> Option<Self> {
        let has_reasons = matches!(outcome, Some(ItemOutcome::Skipped | ItemOutcome::Failed));
        (code.is_none() || has_reasons).then_some(Self { outcome, code })
    }

    /// Items of one outcome.
    #[must_use]
    pub const fn of(outcome: ItemOutcome) -> Self {
        Self { outcome: Some(outcome), code: None }
    }

    /// Only this outcome.
    #[must_use]
    pub const fn outcome(&self) -> Option<ItemOutcome> {
        self.outcome
    }

    /// Only this code.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_goes_with_an_outcome_that_has_reasons() {
        let some = || Some("guard_failed".to_owned());
        for outcome in ItemOutcome::ALL {
            let reasons = matches!(outcome, ItemOutcome::Skipped | ItemOutcome::Failed);
            assert_eq!(ItemFilter::new(Some(outcome), some()).is_some(), reasons, "{outcome:?}");
            assert_eq!(ItemFilter::new(Some(outcome), None), Some(ItemFilter::of(outcome)));
        }
        assert_eq!(ItemFilter::new(None, some()), None);
        assert_eq!(ItemFilter::new(None, None), Some(ItemFilter::default()));
    }
}
