//! Devices' data: register, push, pull. Owned together with the engine and the log of the store.

mod collections;
mod in_flight;
mod letters;
mod nonces;
mod records;
mod resolution;
mod signatures;
mod snapshots;
mod standing;
mod subscriptions;

use std::sync::Arc;

use tidewatch_domain::ids::{ClientId, CollectionName, Epoch, OperationId, Scope, Seq};
use tidewatch_domain::sync::{
    BackfillPage, BackfillQuery, ClientRegistration, CollectionInfo, FeedPage, FeedQuery, IntentResult, Push, PushAnswer,
};
use tidewatch_store::sync::ClientFacts;
use tokio::sync::watch;
use uuid::Uuid;

pub use self::collections::{COLLECTION_SETS, COLLECTIONS_DEMO, CollectionChange};
pub use self::in_flight::InFlight;
pub(crate) use self::nonces::Nonces;
pub use self::resolution::{Choice, Decision};
pub use self::signatures::{RequestKey, RequestVerdict};
pub use self::subscriptions::Subscribed;
use crate::{Actor, Cx, Error, Result, Service};
pub use tidewatch_store::sync::SnapshotTaken;

impl Service {
    /// Registers an installation, or refreshes what is known of it. Answers its id and whether it is new. The scopes are those
    /// that the registration names among those of the enrolment token, or all of them; a device that refreshes itself keeps its own.
    ///
    /// # Errors
    /// Forbidden unless the actor is an enrolment token, or the device itself; for a scope that the token does not grant; and for a
    /// token that grants less than the device already has, so that nobody takes over a device with a lesser token.
    pub async fn client_register(&self, cx: &Cx, registration: ClientRegistration) -> Result<(ClientId, bool)> {
        let wanted = registration.client_id.clone();
        let client_id = match wanted {
            Some(client_id) => client_id,
            None => ClientId::parse(Uuid::new_v4().to_string()).expect("a UUID prints in the shape of a client id"),
        };
        let known = self.store.sync().client(&client_id);
        let scopes = match &cx.actor {
            Actor::Enrolment { scopes, .. } => {
                let takes_over = known.as_ref().is_some_and(|known| known.scopes.iter().any(|scope| !scopes.contains(scope)));
                let beyond = registration.scopes.iter().any(|scope| !scopes.contains(scope));
                if takes_over || beyond {
                    return Err(Error::Forbidden);
                }
                if registration.scopes.is_empty() { scopes.clone() } else { registration.scopes.clone() }
            }
            Actor::Device { client_id: own, scopes, .. } if *own == client_id => scopes.clone(),
            Actor::Anonymous => return Err(Error::Unauthenticated),
            _ => return Err(Error::Forbidden),
        };
        let bound = known.as_ref().and_then(|known| known.public_key.as_deref());
        if bound.zip(registration.public_key.as_ref()).is_some_and(|(bound, sent)| bound != sent) {
            let detail = "another key is bound to this device; a new key needs a new client_id".to_owned();
            return Err(Error::Invalid { field: "device_public_key", detail });
        }
        let registration = ClientRegistration { scopes, ..registration };
        let new = self.store.sync().client_register(registration, client_id.clone(), cx.now).await?;
        Ok((client_id, new))
    }

    /// Decides a batch and answers after the commit is durable.
    ///
    /// # Errors
    /// Overloaded, in flight, blocked, forbidden. A refused intent is a result, not an error.
    pub async fn mutations_push(&self, cx: &Cx, mut push: Push) -> Result<PushAnswer> {
        let device = self.device(cx)?;
        if device.client_id != push.client_id {
            return Err(Error::Forbidden);
        }
        self.signatures_check(&mut push);
        let _turn = self.in_flight.enter(&push.client_id).ok_or(Error::InFlight)?;
        Ok(self.store.sync().mutations_push(push, cx.now).await?)
    }

    /// What became of these operations of the acting device, in the order asked.
    ///
    /// # Errors
    /// As the store.
    pub async fn mutations_status(&self, cx: &Cx, operations: Vec<OperationId>) -> Result<Vec<IntentResult>> {
        let device = self.device(cx)?;
        Ok(self.store.sync().mutations_status(&device.client_id, &operations).await?)
    }

    /// One page of the feed for the acting device.
    ///
    /// # Errors
    /// A refused cursor; a scope the device may not read.
    pub async fn changes_page(&self, cx: &Cx, query: FeedQuery) -> Result<FeedPage> {
        loop {
            let device = self.device(cx)?;
            let query = read_by(&device, query.clone());
            let scopes = readable(&device, &query.scopes)?;
            let page = self.store.sync().changes_page(&query, scopes).await?;
            if self.still_open(cx, &device, scopes)? {
                return Ok(page);
            }
        }
    }

    /// One page of single fields of the records of one collection.
    ///
    /// # Errors
    /// A refused cursor; a scope the device may not read; not found for a collection that is not configured.
    pub async fn backfill_page(&self, cx: &Cx, query: BackfillQuery) -> Result<BackfillPage> {
        loop {
            let device = self.device(cx)?;
            if !self.store.sync().collection_is_known(&query.collection) {
                return Err(Error::NotFound("collection"));
            }
            let scopes = readable(&device, &query.scopes)?;
            let query = BackfillQuery { schema: query.schema.or(device.schema_version), ..query.clone() };
            let page = self.store.sync().backfill_page(query, scopes).await?;
            if self.still_open(cx, &device, scopes)? {
                return Ok(page);
            }
        }
    }

    /// From memory, without touching the database: whether a feed at this cursor has nothing new, and then its ETag. `None`
    /// too when the request would be refused: [`Service::changes_page`] says why.
    #[must_use]
    pub fn changes_unchanged(&self, cx: &Cx, query: &FeedQuery) -> Option<String> {
        let device = self.device(cx).ok()?;
        let query = read_by(&device, query.clone());
        let scopes = readable(&device, &query.scopes).ok()?;
        self.store.sync().changes_unchanged(&query, scopes).ok()?
    }

    /// Lets a schema version pass that is served in these collections, or in all when none is named. A newer one than the store's is.
    ///
    /// # Errors
    /// Schema unsupported.
    pub fn schema_check(&self, version: i64, collections: &[tidewatch_domain::ids::CollectionName]) -> Result<()> {
        match self.store.sync().schema_refusal(version, collections) {
            None => Ok(()),
            Some((collection, min, max)) => Err(Error::SchemaUnsupported { collection: collection.into_string(), min, max }),
        }
    }

    /// Shows every group of batches that is committed from now on, with what decided it.
    #[must_use]
    pub fn capture(&self) -> tokio::sync::mpsc::Receiver<tidewatch_store::sync::CapturedGroup> {
        self.store.sync().capture()
    }

    /// Every revision of every policy, as JSON text.
    ///
    /// # Errors
    /// As the store.
    pub async fn policy_revisions(&self) -> Result<Vec<(tidewatch_domain::ids::CollectionName, i64, String)>> {
        Ok(self.store.sync().policy_revisions().await?)
    }

    /// Position of the log now.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.store.sync().head()
    }

    /// Incarnation of the store.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.store.sync().epoch()
    }

    /// A cursor at a position, without a filter (the `committed` and `head` members of answers).
    #[must_use]
    pub fn cursor_at(&self, seq: Seq) -> String {
        self.store.sync().cursor_at(seq)
    }

    /// Wakes after each commit with the new head.
    #[must_use]
    pub fn head_watch(&self) -> watch::Receiver<Seq> {
        self.store.sync().head_watch()
    }

    /// Heads of these scopes now, from memory.
    #[must_use]
    pub fn scope_heads(&self, scopes: &[Scope]) -> Vec<Seq> {
        self.store.sync().scope_heads(scopes)
    }

    /// The newest rows of these scopes that speak of a conflict, since this process began.
    #[must_use]
    pub fn conflict_heads(&self, scopes: &[Scope]) -> Vec<Seq> {
        self.store.sync().conflict_heads(scopes)
    }

    /// The collections that have rows above a position of their scope; `None` when that cannot be told.
    #[must_use]
    pub fn collections_moved(&self, above: &[(Scope, Seq)]) -> Option<Vec<CollectionName>> {
        self.store.sync().collections_moved(above)
    }

    /// The scopes that a device may read now; none for one that is not known.
    #[must_use]
    pub fn device_scopes(&self, client_id: &ClientId) -> Arc<[Scope]> {
        self.store.sync().client(client_id).map_or_else(|| Arc::from([]), |device| Arc::clone(&device.scopes))
    }

    /// Sync tiers of these collections, of all of them when none is named.
    #[must_use]
    pub fn priorities(&self, named: &[CollectionName]) -> Vec<&'static str> {
        self.store.sync().priorities(named)
    }

    /// Configured collections.
    #[must_use]
    pub fn collections(&self) -> Vec<CollectionInfo> {
        self.store.sync().collections()
    }

    /// Whether what was open to the acting device before a page was read is so after it. What the page holds of a scope that was
    /// closed meanwhile may be of after that.
    fn still_open(&self, cx: &Cx, before: &Arc<ClientFacts>, scopes: &[Scope]) -> Result<bool> {
        let now = self.device(cx)?;
        Ok(Arc::ptr_eq(before, &now) || scopes.iter().all(|scope| now.scopes.contains(scope)))
    }

    /// The acting device, as the log knows it now.
    fn device(&self, cx: &Cx) -> Result<Arc<ClientFacts>> {
        let client_id = match &cx.actor {
            Actor::Device { client_id, .. } => client_id,
            Actor::Anonymous => return Err(Error::Unauthenticated),
            _ => return Err(Error::Forbidden),
        };
        let device = self.store.sync().client(client_id).ok_or(Error::NotFound("device"))?;
        if device.blocked { Err(Error::ClientBlocked) } else { Ok(device) }
    }
}

/// A query as this device reads it.
fn read_by(device: &ClientFacts, query: FeedQuery) -> FeedQuery {
    FeedQuery { reader: Some(device.client_id.clone()), schema: query.schema.or(device.schema_version), ..query }
}

/// The scopes that a query reads: those it names, or all that the device may read.
fn readable<'a>(device: &'a ClientFacts, named: &'a [Scope]) -> Result<&'a [Scope]> {
    if named.is_empty() {
        return Ok(&device.scopes);
    }
    let allowed = named.iter().all(|scope| device.scopes.contains(scope));
    if allowed { Ok(named) } else { Err(Error::Forbidden) }
}
