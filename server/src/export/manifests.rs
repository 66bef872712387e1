//! Manifests of files that were exported, by the export or by the hash of the file: what cannot stand inside a CSV file or a JSON array
//! stands beside it. Only a file whose last byte was given out has one.
//!
//! They live in memory, for a day and the newest thousand; whoever wants one for longer keeps it with the file.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use tidewatch_domain::manifest::Manifest;
use tidewatch_domain::role::Action;
use tidewatch_domain::time::{DAY_MS, Millis};
use tidewatch_service::Error;

use crate::api::error::Answer;
use crate::gate::Caller;
use crate::state::App;

/// Manifests that are kept at a time; the oldest go first.
const MANIFESTS_MAX: usize = 1_000;

/// One exported file.
#[derive(Clone, Debug)]
pub(crate) struct Exported {
    /// The export: the id of its request.
    pub(crate) id: String,
    /// Who asked for it, as the audit log names them.
    pub(crate) actor: String,
    /// The list.
    pub(crate) list: String,
    /// csv, json or ndjson.
    pub(crate) kind: String,
    /// The filter and columns, as they were asked for.
    pub(crate) query: String,
    /// Asked for at.
    pub(crate) begun: Millis,
    /// Of the whole file.
    pub(crate) manifest: Manifest,
}

impl Exported {
    fn to_json(&self) -> Value {
        let mut out = self.manifest.members();
        out["export"] = json!(self.id);
        out["list"] = json!(self.list);
        out["kind"] = json!(self.kind);
        out["query"] = json!(self.query);
        out["begun_at"] = json!(self.begun.to_string());
        out
    }
}

/// Files that were exported lately.
#[derive(Debug, Default)]
pub struct Manifests {
    kept: Mutex<VecDeque<Exported>>,
}

impl Manifests {
    pub(crate) fn keep(&self, exported: Exported) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MANIFESTS_MAX {
            kept.pop_front();
        }
        kept.push_back(exported);
    }

    /// The newest of an actor's exports that has this id or this hash.
    pub(crate) fn find(&self, actor: &str, key: &str, now: Millis) -> Option<Exported> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|exported| exported.begun.plus(DAY_MS) >= now);
        let named = |exported: &&Exported| exported.id == key || exported.manifest.sha256 == key;
        kept.iter().rev().filter(|exported| exported.actor == actor).find(named).cloned()
    }
}

/// `GET /export/manifests/{key}`: of a file that one has exported oneself, by the export or by the SHA-256 of the file.
pub async fn manifest_view(State(app): State<App>, Caller(cx): Caller, Path(key): Path<String>) -> Answer<Json<Value>> {
    cx.require(Action::ExportRedacted)?;
    let found = app.manifests().find(&cx.actor.audit_name(), &key, cx.now).ok_or(Error::NotFound("manifest"))?;
    Ok(Json(found.to_json()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exported(n: usize, actor: &str) -> Exported {
        let manifest = Manifest { count: n as u64, bytes: 0, sha256: format!("hash-{n}") };
        let (list, kind) = ("outbox".to_owned(), "csv".to_owned());
        Exported { id: format!("id-{n}"), actor: actor.to_owned(), list, kind, query: String::new(), begun: Millis(0), manifest }
    }

    fn count(manifests: &Manifests, actor: &str, key: &str, now: i64) -> Option<u64> {
        manifests.find(actor, key, Millis(now)).map(|found| found.manifest.count)
    }

    #[test]
    fn a_manifest_is_found_by_export_and_by_hash_by_whoever_asked_for_the_file() {
        let manifests = Manifests::default();
        manifests.keep(exported(1, "user:a"));
        manifests.keep(exported(2, "user:b"));
        assert_eq!([count(&manifests, "user:a", "id-1", 0), count(&manifests, "user:a", "hash-1", 0)], [Some(1), Some(1)]);
        assert_eq!(count(&manifests, "user:a", "id-2", 0), None);
        assert_eq!(
            [count(&manifests, "user:a", "id-1", DAY_MS), count(&manifests, "user:a", "id-1", DAY_MS + 1)],
            [Some(1), None]
        );
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let manifests = Manifests::default();
        (0..=MANIFESTS_MAX).for_each(|n| manifests.keep(exported(n, "user:a")));
        assert_eq!([count(&manifests, "user:a", "id-0", 0), count(&manifests, "user:a", "id-1", 0)], [None, Some(1)]);
    }
}
