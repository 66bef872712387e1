//! Who the second person of a drain is: somebody else, whatever they come with.

use tidewatch_domain::drain::{Dependants, DrainAction, DrainOrder, Selection};
use tidewatch_domain::role::Role;
use tidewatch_service::auth::TokenKind;
use tidewatch_service::drain::DrainSubmit;
use tidewatch_service::{Actor, Cx, Error};
use tidewatch_testkit::TestApp;

use crate::drain::{refused, roll};

/// The same person in a browser, with a token, and with a token that this one has made: none may judge what another of them asked for.
#[tokio::test]
async fn a_token_acts_for_whoever_made_it() {
    let app = TestApp::new().await;
    for n in 0..11 {
        refused(&app, &format!("phone-{n:02}"), "nothing").await;
    }
    let cx = |actor: Actor| Cx { actor, ..app.state().system_cx() };
    let user = |name: &str| cx(Actor::User { name: name.to_owned(), role: Role::Admin });
    let token = |name: &str| cx(Actor::Token { name: name.to_owned(), role: Role::Admin });
    let kind = || TokenKind::Api { role: Role::Admin };
    app.service().token_create(&user("maya"), "nightly", kind()).await.expect("made");
    app.service().token_create(&token("nightly"), "hourly", kind()).await.expect("made");
    app.service().token_create(&user("ines"), "other", kind()).await.expect("made");
    let maya = [user("maya"), token("nightly"), token("hourly")];
    for (asker, other) in maya.iter().zip([token("other"), user("ines"), token("other")]) {
        let job = requested(&app, asker).await;
        for same in &maya {
            for judged in
                [app.service().drain_approve(same, &job, None).await, app.service().drain_refuse(same, &job, None).await]
            {
                assert!(matches!(judged, Err(Error::StateConflict(_))), "{:?} of {:?}", same.actor, asker.actor);
            }
        }
        let view = app.service().drain_job(asker, &job).await.expect("there");
        assert_eq!((view.row.created_by, view.asked_by), (asker.actor.audit_name(), "user:maya".to_owned()));
        app.service().drain_refuse(&other, &job, None).await.expect("another person");
        roll(&app).await;
    }
}

/// A drain so large that a second person has to agree to it.
async fn requested(app: &TestApp, cx: &Cx) -> String {
    let selection = Selection::Matching { signature: None, filter: "state:poisoned".to_owned() };
    let order = DrainOrder { action: DrainAction::Hold, dependants: Dependants::TakeAlong, patch: None };
    let set = app.service().drain_preview(cx, order, selection.clone()).await.expect("frozen");
    let submit = DrainSubmit {
        set: set.set,
        count: set.entries,
        hash: set.hash,
        selection,
        reason: "the collection was missing".to_owned(),
        idempotency_key: set.idempotency_key,
        typed_count: Some(set.entries),
        canary: 0,
        rate_per_s: None,
    };
    app.service().drain_submit(cx, submit).await.expect("submitted").job
}
