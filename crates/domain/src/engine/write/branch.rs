//! Branches: bodies that stand beside a record under version control, each as an open entry of the conflicts log.

use super::Case;
use super::conflict::Settled;
use crate::decide::{Dispute, DisputeKind};
use crate::engine::{Standoff, Turn};
use crate::ids::Version;
use crate::sync::{Body, IntentResult};

impl Turn<'_> {
    /// The write becomes a branch of the version that stands.
    pub(super) fn branched(&mut self, case: &Case<'_>, body: &Body) -> IntentResult {
        let version = self.set.records.get(&case.key).map_or(Version(0), |record| record.version);
        let known = self.set.standoffs.get(&case.key).map(Vec::as_slice).unwrap_or_default();
        let branch = branch_name(version, known);
        let settled = Settled { branch: Some((&branch, body)), ..Settled::default() };
        let id = self.conflict(case, Dispute { kind: DisputeKind::Branch, open: true }, settled);
        let standoff = Standoff { conflict: self.log.conflict_id, branch: Some(branch.clone()), open: true };
        self.set.standoffs.entry(case.key.clone()).or_default().push(standoff);
        self.flag(case);
        let mut answer = self.conflicting(case);
        answer.conflict_id = Some(id);
        answer.branch = Some(branch);
        answer
    }
}

/// `7b` is the first branch beside version 7, then `7c` and so on; after `7z` comes `7z2`.
fn branch_name(version: Version, known: &[Standoff]) -> String {
    let beside = |name: &str| name.strip_prefix(&version.to_string()).is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let taken = known.iter().filter_map(|standoff| standoff.branch.as_deref()).filter(|name| beside(name)).count();
    match u8::try_from(taken) {
        Ok(taken @ 0..25) => format!("{version}{}", char::from(b'b' + taken)),
        _ => format!("{version}z{}", taken - 23),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_named_after_the_version_they_stand_beside() {
        let mut known = vec![Standoff { conflict: 1, branch: Some("17b".to_owned()), open: true }];
        let mut names = Vec::new();
        for conflict in 0..27 {
            let name = branch_name(Version(7), &known);
            known.push(Standoff { conflict, branch: Some(name.clone()), open: false });
            names.push(name);
        }
        assert_eq!((names[0].as_str(), names[1].as_str(), names[24].as_str()), ("7b", "7c", "7z"));
        assert_eq!((names[25].as_str(), names[26].as_str()), ("7z2", "7z3"));
    }
}
