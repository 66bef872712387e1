//! Prebuilt snapshots in this process: the bytes of a part as they are kept, from the byte that is asked for.

use std::sync::atomic::Ordering;

use serde_json::Value;
use tidewatch_client::{Reply, Request};
use tidewatch_domain::ids::Scope;
use tidewatch_domain::sync::SnapshotFilter;
use tidewatch_domain::time::Millis;
use tidewatch_protocol::v1::snapshots::{SnapshotManifest, line_write};
use tidewatch_protocol::{Code, Problem};
use tidewatch_service::sync::SnapshotTaken;

use super::{InProcess, problem, to_value};

impl InProcess {
    /// A snapshot of a scope. The world's time stands still while it is made.
    pub(super) async fn snapshot(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let cx = self.cx(request, now)?;
        let scope = request.path.strip_prefix("/snapshots?scope=").and_then(|scope| Scope::parse(scope).ok());
        let filter = SnapshotFilter::new(scope.ok_or_else(|| Problem::new(Code::QueryInvalid))?, Vec::new());
        loop {
            match self.service.snapshot_take(&cx, &filter, None, line_write).map_err(problem)? {
                SnapshotTaken::Ready(snapshot) => return Ok(to_value(&SnapshotManifest::new(&snapshot, "/snapshots"))),
                SnapshotTaken::Making(mut making) => making.done().await,
                SnapshotTaken::NotOffered => return Err(Problem::new(Code::SnapshotNotOffered)),
            }
        }
    }

    /// The bytes of a part, or the problem.
    pub(super) async fn snapshot_part(&self, request: &Request, now: Millis) -> Result<Reply, Problem> {
        let cx = self.cx(request, now)?;
        let named = request.path.strip_prefix("/snapshots/").and_then(|rest| rest.split_once("/parts/"));
        let (id, n) = named.ok_or_else(|| Problem::new(Code::NotFound))?;
        let n = n.parse().map_err(|_| Problem::new(Code::NotFound))?;
        let bytes = self.service.snapshot_part(&cx, id, None, n).await.map_err(problem)?;
        self.parts.fetch_add(1, Ordering::Relaxed);
        let from = request.range.as_ref().map(|(from, _)| usize::try_from(*from).unwrap_or(usize::MAX));
        Ok(match from {
            None => Reply::Bytes { status: 200, bytes, took_ms: 0.0 },
            Some(from) => Reply::Bytes { status: 206, bytes: bytes.get(from..).unwrap_or_default().to_vec(), took_ms: 0.0 },
        })
    }
}
