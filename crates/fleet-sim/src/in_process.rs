//! Carries requests to a [`Service`] in this process: the wire's JSON goes through the protocol's own reader and writer, only
//! HTTP and tokens are left out. A device's token is its id here.

mod control;
mod snapshots;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tidewatch_client::{Purpose, Reply, Request};
use tidewatch_domain::ids::{ClientId, Epoch, Scope};
use tidewatch_domain::sync::FeedQuery;
use tidewatch_domain::time::Millis;
use tidewatch_protocol::v1::changes::{ChangesPage, server_hlc};
use tidewatch_protocol::v1::clients::client_read;
use tidewatch_protocol::v1::mutations::{MutationResult, PushAnswered, push_read};
use tidewatch_protocol::{Code, Problem, Timestamp};
use tidewatch_service::sync::COLLECTIONS_DEMO;
use tidewatch_service::{Actor, Cx, Error, Service};

/// The service, and the scopes that an enrolment gives.
#[derive(Clone, Debug)]
pub struct InProcess {
    service: Service,
    scopes: Vec<Scope>,
    /// Parts of snapshots that were handed out.
    parts: Arc<AtomicUsize>,
}

impl InProcess {
    /// A transport to this service.
    #[must_use]
    pub fn new(service: Service, scopes: Vec<Scope>) -> Self {
        Self { service, scopes, parts: Arc::default() }
    }

    /// Configures the demo collections.
    ///
    /// # Errors
    /// As the service.
    pub async fn collections_configure(&self, now: Millis) -> anyhow::Result<()> {
        let cx = Cx { actor: Actor::System, now, request_id: String::new() };
        let done = self.service.collections_import(&cx, COLLECTIONS_DEMO).await;
        done.map(drop).map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// How many parts of snapshots were handed out.
    #[must_use]
    pub fn parts_sent(&self) -> usize {
        self.parts.load(Ordering::Relaxed)
    }

    /// The service behind it.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Carries a request out at this time of the world.
    pub async fn send(&self, request: &Request, now: Millis) -> Reply {
        let answer = match request.purpose {
            Purpose::Register => self.register(request, now).await,
            Purpose::Push => self.push(request, now).await,
            Purpose::Pull | Purpose::ScopeScan => self.pull(request, now).await,
            Purpose::ControlKeys => self.control_keys(now).await,
            Purpose::Commands => self.commands(request, now).await,
            Purpose::CommandStatus => self.command_status(request, now).await,
            Purpose::Escrow => self.escrow(request, now).await,
            Purpose::Logs => self.logs(request, now).await,
            Purpose::Snapshot => self.snapshot(request, now).await,
            Purpose::SnapshotPart => match self.snapshot_part(request, now).await {
                Ok(bytes) => return bytes,
                Err(problem) => Err(problem),
            },
            Purpose::Refresh | Purpose::Report | Purpose::Backfill => Err(Problem::new(Code::NotFound)),
        };
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(problem) => (problem.status, to_value(&problem)),
        };
        Reply::Answer { status, body, retry_after_ms: None, took_ms: 0.0 }
    }

    fn cx(&self, request: &Request, now: Millis) -> Result<Cx, Problem> {
        let id = request
            .client_id
            .as_deref()
            .and_then(|id| ClientId::parse(id).ok())
            .ok_or_else(|| Problem::new(Code::CredentialRequired))?;
        let actor = Actor::Device { principal: format!("owner of {id}"), client_id: id, scopes: self.scopes.clone() };
        Ok(Cx { actor, now, request_id: String::new() })
    }

    async fn register(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let read = client_read(request.body.as_deref().unwrap_or_default().as_bytes())?;
        let actor = Actor::Enrolment { name: "simulation".to_owned(), scopes: self.scopes.clone() };
        let cx = Cx { actor, now, request_id: String::new() };
        let (client_id, _) = self.service.client_register(&cx, read.registration).await.map_err(problem)?;
        Ok(
            json!({ "client_id": client_id.as_str(), "access_token": client_id.as_str(), "access_expires_in_s": 1_000_000_000, "server_time": now.to_string(),
                "limits": { "snapshot_rows_min": self.service.snapshot_rows_min() } }),
        )
    }

    async fn push(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let read = push_read(request.body.as_deref().unwrap_or_default().as_bytes())?;
        let answer = self.service.mutations_push(&self.cx(request, now)?, read.push).await.map_err(problem)?;
        Ok(to_value(&PushAnswered {
            protocol: 1,
            epoch: self.service.epoch().to_string(),
            batch_id: read.batch_id,
            server_time: Timestamp(now),
            server_hlc: server_hlc(Timestamp(now)),
            committed: self.service.cursor_at(answer.committed),
            poll_after_ms: 0,
            results: answer.results.into_iter().map(MutationResult::from).collect(),
        }))
    }

    async fn pull(&self, request: &Request, now: Millis) -> Result<Value, Problem> {
        let page = self.service.changes_page(&self.cx(request, now)?, feed_query(&request.path)?).await.map_err(problem)?;
        Ok(to_value(&ChangesPage::new(page, self.service.epoch().to_string(), Timestamp(now), 0)))
    }
}

/// Reads the query of `/changes` as the reference client writes it.
fn feed_query(path: &str) -> Result<FeedQuery, Problem> {
    let mut query = FeedQuery { limit: 500, ..FeedQuery::default() };
    let invalid = || Problem::new(Code::QueryInvalid);
    for pair in path.split_once('?').map_or("", |(_, query)| query).split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').ok_or_else(invalid)? {
            ("since", cursor) => query.since = Some(cursor.to_owned()),
            ("epoch", epoch) => query.epoch = Some(Epoch::parse(epoch).ok_or_else(invalid)?),
            ("limit", limit) => query.limit = limit.parse().map_err(|_| invalid())?,
            ("compact", compact) => query.compact = compact == "true",
            ("scopes", scopes) => {
                query.scopes = scopes.split(',').map(Scope::parse).collect::<Result<_, _>>().map_err(|_| invalid())?
            }
            _ => return Err(invalid()),
        }
    }
    Ok(query)
}

fn problem(error: Error) -> Problem {
    use tidewatch_domain::sync::CursorRefusal;
    match error {
        Error::Cursor(refusal) => {
            let code = Code::parse(&refusal.to_string()).unwrap_or(Code::CursorMalformed);
            let mut problem = Problem::new(code);
            if let CursorRefusal::EpochMismatch { fork_seq: Some(seq) } = refusal {
                problem.fork_seq = Some(seq.0);
            }
            problem
        }
        Error::Overloaded { retry_after_ms } => {
            Problem { retry_after_ms: Some(retry_after_ms), ..Problem::new(Code::WriterOverloaded) }
        }
        Error::RateLimited { retry_after_ms } => {
            Problem { retry_after_ms: Some(retry_after_ms), ..Problem::new(Code::RateLimited) }
        }
        Error::SchemaUnsupported { min, max, .. } => {
            Problem { min: Some(min), max: Some(max), ..Problem::new(Code::SchemaUnsupported) }
        }
        Error::InFlight => Problem::new(Code::InFlight),
        Error::StorageFull => Problem::new(Code::StorageFull),
        Error::Refused(refusal) => Problem::batch(&refusal),
        Error::ClientBlocked => Problem::new(Code::ClientBlocked),
        Error::SetChanged(_) => Problem::new(Code::SetChanged),
        Error::StateConflict(detail) => Problem::new(Code::StateConflict).detail(detail),
        Error::Unauthenticated => Problem::new(Code::CredentialRequired),
        Error::Forbidden | Error::RoleLimit { .. } => Problem::new(Code::Forbidden),
        Error::NotFound(_) => Problem::new(Code::NotFound),
        Error::Invalid { field, detail } => Problem::new(Code::EnvelopeInvalid).detail(format!("{field}: {detail}")),
        Error::CommandEnded => Problem::new(Code::CommandEnded),
        Error::CommandUnderWay(_) => Problem::new(Code::CommandUnderWay),
        Error::Internal(cause) => {
            tracing::error!(?cause, "the service failed");
            Problem::new(Code::Internal)
        }
    }
}

fn to_value(answer: &impl serde::Serialize) -> Value {
    serde_json::to_value(answer).expect("answers of the protocol are JSON")
}
