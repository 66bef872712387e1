//! [`TestApp`]: one server with one store, gone at the end of the test.

use axum::Router;
use tempfile::TempDir;
use tidewatch_app::context::Assets;
use tidewatch_domain::ids::Scope;
use tidewatch_domain::role::Role;
use tidewatch_server::clock::Clock;
use tidewatch_server::router::router;
use tidewatch_server::state::App;
use tidewatch_service::Service;
use tidewatch_service::auth::{PasswordCost, TokenKind};
use tidewatch_service::sync::COLLECTIONS_DEMO;
use tidewatch_store::sync::SnapshotLimits;
use tidewatch_store::{Store, StoreOptions};

use crate::device::Device;
use crate::visitor::Visitor;

/// Scopes that devices of the test app get.
pub const SCOPES: [&str; 3] = ["building:42", "building:7", "global"];
/// Password of everybody.
pub const PASSWORD: &str = "correct horse battery";

/// A server in process.
#[derive(Debug)]
pub struct TestApp {
    app: App,
    router: Router,
    store: Store,
    dir: TempDir,
}

impl TestApp {
    /// A new store with the demo's collections, and nobody in it.
    ///
    /// # Panics
    /// When the store does not open.
    pub async fn new() -> Self {
        Self::with_snapshots(SnapshotLimits::STANDARD).await
    }

    /// The same, with other bounds of prebuilt snapshots.
    ///
    /// # Panics
    /// When the store does not open.
    pub async fn with_snapshots(snapshots: SnapshotLimits) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::system();
        let mut options = StoreOptions::new(clock.now(), 0x7469_6465);
        options.readers = 2;
        options.snapshots = snapshots;
        let store = Store::open(dir.path(), options).await.expect("the store opens");
        let service =
            Service::with_password_cost(store.clone(), PasswordCost::Test).with_reader(tidewatch_server::intents::intent_read);
        let app = App::new(service, clock, Assets::default(), None);
        app.service().collections_import(&app.system_cx(), COLLECTIONS_DEMO).await.expect("the demo's collections are valid");
        let router = router(&app);
        Self { app, router, store, dir }
    }

    /// The folder of the store.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// What the handlers share.
    #[must_use]
    pub fn state(&self) -> &App {
        &self.app
    }

    /// The use cases.
    #[must_use]
    pub fn service(&self) -> &Service {
        self.app.service()
    }

    /// The router.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Somebody without a credential.
    #[must_use]
    pub fn anonymous(&self) -> Visitor {
        Visitor::new(self.router())
    }

    /// An operator, signed in through the form.
    pub async fn operator(&self) -> Visitor {
        self.staff("olga", Role::Operator).await
    }

    /// A viewer, signed in through the form.
    pub async fn viewer(&self) -> Visitor {
        self.staff("vera", Role::Viewer).await
    }

    /// An admin, signed in through the form.
    pub async fn admin(&self) -> Visitor {
        self.staff("ada", Role::Admin).await
    }

    /// A member of staff, signed in through the form.
    ///
    /// # Panics
    /// When the sign-in is refused.
    pub async fn staff(&self, name: &str, role: Role) -> Visitor {
        self.user(name, role).await;
        let mut visitor = self.anonymous();
        let reply = visitor.sign_in(name, PASSWORD).await;
        assert!(visitor.cookie().is_some(), "the sign-in of {name} was answered {} {}", reply.status(), reply.text());
        visitor
    }

    /// Adds a member of staff, unless they are there.
    pub async fn user(&self, name: &str, role: Role) {
        // A second call finds the name taken: the same person.
        let _ = self.service().user_create(&self.app.system_cx(), name, role, PASSWORD).await;
    }

    /// Somebody with an API token.
    ///
    /// # Panics
    /// When the token is refused.
    pub async fn api(&self, name: &str, role: Role) -> Visitor {
        let token = self.service().token_create(&self.app.system_cx(), name, TokenKind::Api { role }).await.expect("a new name");
        self.anonymous().with_bearer(&token)
    }

    /// Somebody with an enrolment token for [`SCOPES`].
    ///
    /// # Panics
    /// When the token is refused.
    pub async fn enrolment(&self, name: &str) -> Visitor {
        self.anonymous().with_bearer(&self.enrolment_token(name).await)
    }

    /// An enrolment token for [`SCOPES`].
    ///
    /// # Panics
    /// When the name is taken.
    pub async fn enrolment_token(&self, name: &str) -> String {
        let scopes = SCOPES.map(|scope| Scope::parse(scope).expect("valid")).to_vec();
        self.service().token_create(&self.app.system_cx(), name, TokenKind::Enrolment { scopes }).await.expect("a new name")
    }

    /// A device, enrolled over HTTP.
    ///
    /// # Panics
    /// When the enrolment is refused.
    pub async fn device(&self, name: &str) -> Device {
        let enrolment = self.enrolment(&format!("enrolment-of-{name}")).await;
        Device::enrol(&enrolment, name).await
    }

    /// What is wrong with the store, one line each; empty when nothing is.
    ///
    /// # Panics
    /// When the store does not answer.
    pub async fn verify(&self) -> Vec<String> {
        verify(&self.store).await
    }
}

async fn verify(store: &Store) -> Vec<String> {
    store.verify().await.expect("the store answers").findings
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // A runtime of its own: the test's may be a single thread, and that thread is in here.
        let store = self.store.clone();
        let checked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(verify(&store))
        });
        let wrong = checked.join().expect("the check itself does not panic");
        assert!(wrong.is_empty(), "the test left a broken store behind: {wrong:?}");
    }
}
