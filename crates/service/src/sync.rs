//! Devices' data: register, push, pull. Owned together with the engine and the log of the store.

use tidewatch_domain::ids::{ClientId, Epoch, OperationId, Scope, Seq};
use tidewatch_domain::sync::{
    ClientRegistration, CollectionInfo, FeedPage, FeedQuery, IntentResult, Push, PushAnswer,
};
use tokio::sync::watch;

use crate::{Cx, Result, Service};

impl Service {
    /// Registers an installation, or refreshes what is known of it. Answers its id and whether it is new.
    ///
    /// # Errors
    /// Forbidden unless the actor is an enrolment token, or the device itself.
    pub async fn client_register(&self, cx: &Cx, registration: ClientRegistration) -> Result<(ClientId, bool)> {
        let _ = (cx, registration);
        unimplemented!()
    }

    /// Decides a batch and answers after the commit is durable.
    ///
    /// # Errors
    /// Overloaded, in flight, blocked, forbidden. A refused intent is a result, not an error.
    pub async fn mutations_push(&self, cx: &Cx, push: Push) -> Result<PushAnswer> {
        let _ = (cx, push);
        unimplemented!()
    }

    /// What became of these operations of the acting device, in the order asked.
    ///
    /// # Errors
    /// As the store.
    pub async fn mutations_status(&self, cx: &Cx, operations: Vec<OperationId>) -> Result<Vec<IntentResult>> {
        let _ = (cx, operations);
        unimplemented!()
    }

    /// One page of the feed for the acting device.
    ///
    /// # Errors
    /// A refused cursor; a scope the device may not read.
    pub async fn changes_page(&self, cx: &Cx, query: FeedQuery) -> Result<FeedPage> {
        let _ = (cx, query);
        unimplemented!()
    }

    /// From memory, without touching the database: whether a feed at this cursor has nothing new, and then its ETag.
    #[must_use]
    pub fn changes_unchanged(&self, cx: &Cx, query: &FeedQuery) -> Option<String> {
        let _ = (cx, query);
        None
    }

    /// Position of the log now.
    #[must_use]
    pub fn head(&self) -> Seq {
        unimplemented!()
    }

    /// Incarnation of the store.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        unimplemented!()
    }

    /// A cursor at a position, without a filter (the `committed` and `head` members of answers).
    #[must_use]
    pub fn cursor_at(&self, seq: Seq) -> String {
        let _ = seq;
        unimplemented!()
    }

    /// Wakes after each commit with the new head.
    #[must_use]
    pub fn head_watch(&self) -> watch::Receiver<Seq> {
        unimplemented!()
    }

    /// Heads of these scopes now, from memory.
    #[must_use]
    pub fn scope_heads(&self, scopes: &[Scope]) -> Vec<Seq> {
        let _ = scopes;
        unimplemented!()
    }

    /// Configured collections.
    #[must_use]
    pub fn collections(&self) -> Vec<CollectionInfo> {
        unimplemented!()
    }
}
