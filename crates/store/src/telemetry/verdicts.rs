//! What a group says of convergence and condition once everything in it is applied.

use std::collections::{HashMap, HashSet};

use tidewatch_domain::fleet::Condition;
use tidewatch_domain::health::{DigestState, HealthFacts};

use super::device::{DeviceDoc, DigestVerdict};
use super::group::Group;
use super::story;
use super::sync_facts::SyncFacts;
use crate::Result;

/// Head of a scope, and the digests of its collections.
#[derive(Debug, Default)]
struct ScopeState {
    head: i64,
    collections: HashMap<String, (i64, i64)>,
}

/// Compares the digests that came with the newest reports. Only a device that stands at the head of a scope can be compared:
/// the store keeps the digest of now, not of every position.
pub(crate) async fn compare(facts: &SyncFacts, group: &mut Group) -> Result<()> {
    let compared = group.devices.values().filter(|touched| touched.compare);
    let scopes: HashSet<String> = compared.flat_map(|t| t.doc.digests.iter().map(|digest| digest.0.clone())).collect();
    if scopes.is_empty() {
        return Ok(());
    }
    let mut states: HashMap<String, ScopeState> = HashMap::new();
    for row in facts.digests(&scopes.into_iter().collect::<Vec<_>>()).await? {
        let state = states.entry(row.scope).or_default();
        state.head = row.head;
        if let (Some(collection), Some(rows), Some(digest)) = (row.collection, row.rows, row.digest) {
            state.collections.insert(collection, (rows, digest));
        }
    }
    let now = group.now;
    for touched in group.devices.values_mut().filter(|touched| touched.compare) {
        for change in device_compare(&mut touched.doc, &states, now) {
            story::digest_changed(touched, now, &change.collection, change.same, change.position, &mut group.events);
        }
    }
    Ok(())
}

/// Compares one device; answers the verdicts that turned.
fn device_compare(doc: &mut DeviceDoc, states: &HashMap<String, ScopeState>, now: i64) -> Vec<DigestVerdict> {
    let mut turned = Vec::new();
    for (scope, collection, rows, digest) in &doc.digests {
        let Some(state) = states.get(scope) else { continue };
        let position = doc.cursors.iter().filter(|(known, _)| known == scope || known == "*").map(|(_, at)| *at).max();
        let position = position.or_else(|| doc.cursors.iter().map(|(_, at)| *at).max());
        let Some(position) = position.filter(|position| *position >= state.head) else { continue };
        let (wanted_rows, wanted) = state.collections.get(collection).copied().unwrap_or_default();
        let same = *rows == wanted_rows && digest.eq_ignore_ascii_case(&format!("{:016x}", wanted.cast_unsigned()));
        let known = doc.verdicts.iter_mut().find(|v| v.scope == *scope && v.collection == *collection);
        let was_same = known.as_ref().map(|verdict| verdict.same);
        let since = known.as_ref().and_then(|verdict| verdict.since).filter(|_| !same).or((!same).then_some(now));
        let verdict = DigestVerdict { scope: scope.clone(), collection: collection.clone(), same, position, since };
        if was_same.unwrap_or(true) != same {
            turned.push(verdict.clone());
        }
        match known {
            Some(known) => *known = verdict,
            None => doc.verdicts.push(verdict),
        }
        doc.compared_at = Some(now);
    }
    doc.verdicts.retain(|v| doc.digests.iter().any(|d| d.0 == v.scope && d.1 == v.collection));
    turned
}

/// Tells the devices whose condition has changed.
pub(crate) fn conditions_tell(group: &mut Group) {
    let now = group.now;
    for touched in group.devices.values_mut().filter(|touched| touched.dirty) {
        let facts = touched.doc.health_facts();
        let condition = tidewatch_domain::health::assess(&facts, tidewatch_domain::time::Millis(now)).condition;
        let note = condition_note(&facts, condition, touched.doc.trouble_code(condition));
        story::condition_changed(touched, now, condition, &note, &mut group.events);
    }
}

/// The second line of a status: the fact behind the condition.
pub(crate) fn condition_note(facts: &HealthFacts, condition: Condition, code: Option<&str>) -> String {
    let parts: Vec<String> = match condition {
        Condition::Stuck => {
            let refused = (facts.poisoned > 0).then(|| format!("{} rejected", facts.poisoned));
            let waiting = (facts.waiting > 0).then(|| format!("{} waiting", facts.waiting));
            let unanswered = (facts.poisoned == 0).then(|| "pushes not acknowledged".to_owned());
            let counts: Vec<String> = refused.into_iter().chain(unanswered).chain(waiting).collect();
            return counts.join(", ") + &code.map(|code| format!(" · {code}")).unwrap_or_default();
        }
        Condition::Diverged => match &facts.digest {
            DigestState::Diverged { collections, .. } => {
                let mut names = collections.clone();
                names.sort_unstable();
                names.dedup();
                vec![format!("{} {}", names.join(", "), if names.len() == 1 { "differs" } else { "differ" })]
            }
            DigestState::Identical | DigestState::Unknown => Vec::new(),
        },
        Condition::Stalling => {
            let retrying = (facts.retrying > 0).then(|| format!("retrying {}", facts.retrying));
            retrying.into_iter().chain(code.map(|code| format!("refused with {code}"))).collect()
        }
        Condition::Held => vec![format!("{} held", facts.held)],
        Condition::Unknown if facts.last_report.is_none() => vec!["no report yet".to_owned()],
        Condition::Unknown => vec!["no recent report".to_owned()],
        Condition::CatchingUp => {
            let behind = facts.behind.filter(|n| *n > 0).map(|n| story::counted(n, "change behind", "changes behind"));
            let pending = facts.queue_depth.filter(|n| *n > 0).map(|n| format!("{n} to push"));
            behind.into_iter().chain(pending).collect()
        }
        Condition::Converged => match facts.digest {
            DigestState::Identical => vec!["digest verified".to_owned()],
            _ => vec!["nothing pending, nothing behind".to_owned()],
        },
    };
    parts.join(", ")
}
