//! Compares the files of snapshots with the rows that name them.

use sha2::{Digest as _, Sha256};
use sqlx::SqliteConnection;
use tidewatch_domain::digest::Hash;
use tidewatch_domain::sync::Snapshot;

use super::files;
use super::keeping::rows_read;
use crate::sync::Sync;
use crate::sync::verify::VerifyReport;
use crate::{Error, Result};

impl Sync {
    /// Reads every file of every snapshot. None is removed meanwhile.
    pub(in crate::sync) async fn verify_snapshots(
        &self,
        connection: &mut SqliteConnection,
        report: &mut VerifyReport,
    ) -> Result<()> {
        let _shared = self.snapshots.gate.read().await;
        let scopes = self.shared.live().scope_names.clone();
        for (id, snapshot) in rows_read(connection, &scopes).await? {
            // One that was dropped meanwhile has no files to compare.
            if self.snapshots.find(&id).is_none() {
                continue;
            }
            let Some(snapshot) = snapshot else {
                report.find(format!("snapshot {id} cannot be read"));
                continue;
            };
            let dir = self.snapshots.dir.clone();
            let compared = tokio::task::spawn_blocking(move || compare(&dir, &snapshot)).await;
            let findings = compared.map_err(|error| Error::Corrupt(format!("comparing a snapshot ended: {error}")))?;
            findings.into_iter().for_each(|finding| report.find(finding));
            report.snapshots += 1;
        }
        Ok(())
    }
}

/// What is wrong with one. Blocks.
fn compare(dir: &std::path::Path, snapshot: &Snapshot) -> Vec<String> {
    let (mut findings, mut whole, id) = (Vec::new(), Sha256::new(), &snapshot.id);
    for (at, part) in snapshot.parts.iter().enumerate() {
        let n = at + 1;
        match files::read(dir, part) {
            Ok(bytes) if bytes.len() as u64 == part.bytes => whole.update(&bytes),
            Ok(_) => findings.push(format!("part {n} of snapshot {id} has another length than its row says")),
            Err(error) => findings.push(format!("part {n} of snapshot {id}: {error}")),
        }
    }
    let sum = |of: fn(&tidewatch_domain::sync::SnapshotPart) -> u64| snapshot.parts.iter().map(of).sum::<u64>();
    if (sum(|part| part.rows), sum(|part| part.bytes)) != (snapshot.rows, snapshot.bytes) {
        findings.push(format!("the parts of snapshot {id} do not add up to it"));
    }
    let found: Hash = whole.finalize().into();
    if findings.is_empty() && found != snapshot.sha256 {
        findings.push(format!("the parts of snapshot {id} together do not match its digest"));
    }
    findings
}
