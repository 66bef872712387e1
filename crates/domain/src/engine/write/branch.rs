//! Branches: bodies that stand beside a record under version control, each as an open entry of the conflicts log.

use super::Case;
use super::basis::Basis;
use super::conflict::Settled;
use crate::decide::{Dispute, DisputeKind, Verdict, Write};
use crate::engine::guard::problem;
use crate::engine::{Standoff, Turn};
use crate::ids::Version;
use crate::sync::{Body, IntentProblem, IntentResult, Mutation, MutationOp};

impl Turn<'_> {
    /// The write becomes a branch of the version that stands.
    pub(super) fn branched(&mut self, case: &Case<'_>, body: &Body) -> IntentResult {
        let version = self.set.records.get(&case.key).map_or(Version(0), |record| record.version);
        let known = self.set.standoffs.get(&case.key).map(Vec::as_slice).unwrap_or_default();
        let branch = branch_name(version, known);
        let settled = Settled { branch: Some((&branch, body)), ..Settled::default() };
        let id = self.conflict(case, Dispute { kind: DisputeKind::Branch, open: true }, settled);
        self.flag(case);
        let mut answer = self.conflicting(case);
        answer.conflict_id = Some(id);
        answer.branch = Some(branch);
        answer
    }
}

/// The branches that an intent merges.
pub(super) fn branches_named(mutation: &Mutation) -> &[String] {
    mutation.terms.as_deref().map(|terms| terms.merges.as_slice()).unwrap_or_default()
}

impl Turn<'_> {
    fn open_branch(&self, case: &Case<'_>, name: &str) -> bool {
        let known = self.set.standoffs.get(&case.key).map(Vec::as_slice).unwrap_or_default();
        known.iter().any(|standoff| standoff.open && standoff.branch.as_deref() == Some(name))
    }

    /// Why the branches that an intent names cannot be merged.
    pub(super) fn branches_missing(&self, case: &Case<'_>) -> Option<IntentProblem> {
        let missing = branches_named(case.mutation).iter().find(|name| !self.open_branch(case, name))?;
        Some(problem("not_found", 404, format!("there is no open branch `{missing}` beside this record")))
    }

    /// A merge is a change even when the record stays as it is: its second parents are settled by it.
    pub(super) fn branches_merged(&self, case: &Case<'_>, verdict: Verdict) -> Verdict {
        if branches_named(case.mutation).is_empty() {
            return verdict;
        }
        match verdict {
            Verdict::Noop if matches!(case.basis, Basis::Current) => {
                // What is deleted stays so: its body here is that of its last version before.
                let live = self.set.records.get(&case.key).is_some_and(|record| !record.deleted);
                Verdict::Write(Write {
                    op: if live { MutationOp::Update } else { MutationOp::Delete },
                    image: live.then(|| case.body.clone()),
                    changed: live.then(Vec::new),
                    merged: true,
                    kept: Vec::new(),
                    lost: Vec::new(),
                    over: Vec::new(),
                    dispute: None,
                    stamped: None,
                })
            }
            Verdict::Write(write) => Verdict::Write(Write { merged: true, ..write }),
            other => other,
        }
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
        let standoff = |conflict, branch: String| Standoff { conflict, branch: Some(branch), ..Standoff::default() };
        let mut known = vec![standoff(1, "17b".to_owned())];
        let mut names = Vec::new();
        for conflict in 0..27 {
            let name = branch_name(Version(7), &known);
            known.push(standoff(conflict, name.clone()));
            names.push(name);
        }
        assert_eq!((names[0].as_str(), names[1].as_str(), names[24].as_str()), ("7b", "7c", "7z"));
        assert_eq!((names[25].as_str(), names[26].as_str()), ("7z2", "7z3"));
    }
}
