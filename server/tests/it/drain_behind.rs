//! What waits behind a drained entry that only its device has: taken along, held or let go, from the preview to the log.

use serde_json::{Value, json};
use tidewatch_domain::role::Role;
use tidewatch_domain::sync::MutationOp;
use tidewatch_domain::time::{DAY_MS, MINUTE_MS};
use tidewatch_testkit::{TestApp, Visitor};

use crate::control::Tablet;
use crate::drain::{JOBS, PREVIEWS, roll, submission, tally};

/// A tablet with an entry that its gateway never lets through and one that names it, which waits. A later one of the same record is sent
/// together with it, again and again.
struct Stuck {
    tablet: Tablet,
    jam: String,
    named: String,
    later: String,
}

impl Stuck {
    async fn new(app: &TestApp) -> Self {
        let mut tablet = Tablet::new(app).await;
        tablet.round(false).await;
        let jam = tablet.edit("n-1", MutationOp::Create, json!({"title": "jam", "n": "one"}));
        let named = tablet.edit_after("n-2", MutationOp::Create, json!({"title": "names it"}), &[&jam]);
        let later = tablet.edit("n-1", MutationOp::Put, json!({"title": "later"}));
        tablet.jam = Some(jam.clone());
        tablet.round(false).await;
        tablet.report().await;
        roll(app).await;
        Self { tablet, jam, named, later }
    }

    fn selected(&self, action: &str, dependants: &str) -> Value {
        let entries = json!([{"client_id": self.tablet.id().as_str(), "operation_id": self.jam}]);
        let mut order = json!({"action": action, "dependants": dependants, "selection": {"entries": entries}});
        if action == "patch" {
            order["patch"] = json!([{"op": "replace", "path": "/n", "value": 1}]);
        }
        order
    }

    /// Rounds of the tablet with its gateway still in the way, until nothing of it moves any more.
    async fn rounds(&mut self, app: &TestApp) {
        for _ in 0..4 {
            self.tablet.now = self.tablet.now.plus(MINUTE_MS);
            self.tablet.round(true).await;
            roll(app).await;
        }
        self.tablet.report().await;
        roll(app).await;
    }
}

/// The entry as the console has it.
async fn entry(staff: &Visitor, stuck: &Stuck, operation: &str) -> Value {
    staff.get(&format!("/api/v1/outbox/entries/{}/{operation}", stuck.tablet.id())).await.ok(200)
}

/// What an operation came to in the log; nothing while it is not there.
async fn in_log(staff: &Visitor, operation: &str) -> bool {
    let trace = staff.get(&format!("/api/v1/changes?q=operation:{operation}")).await.ok(200);
    trace["rows"].as_array().is_some_and(|rows| !rows.is_empty())
}

/// Drains the stuck entry; answers the preview and the job at its end.
async fn drained(app: &TestApp, staff: &Visitor, stuck: &mut Stuck, action: &str, dependants: &str) -> (Value, Value) {
    let set = staff.post(PREVIEWS, &stuck.selected(action, dependants)).await.ok(201);
    let job = staff.post(JOBS, &submission(&set)).await.ok(202);
    roll(app).await;
    stuck.rounds(app).await;
    let view = staff.get(&format!("{JOBS}/{}", job["job"].as_str().expect("an id"))).await.ok(200);
    assert_eq!(view["state"], "done", "{view}");
    (set, view)
}

#[tokio::test]
async fn what_is_let_go_reaches_the_log_without_what_it_waited_for() {
    for action in ["skip", "quarantine", "discard"] {
        let app = TestApp::new().await;
        let staff = app.api("ci", Role::Operator).await;
        let mut stuck = Stuck::new(&app).await;
        assert_eq!(entry(&staff, &stuck, &stuck.jam).await["entry"]["blocks"], 1);
        let (set, job) = drained(&app, &staff, &mut stuck, action, "cut").await;
        assert_eq!((&set["entries"], &set["behind"]), (&json!(1), &json!(1)), "{set}");
        assert_eq!(tally(&job), [1, 0, 0, 0, 0, 0], "{job}");
        let released = json!({"applied": 1, "conflicts": 0, "refused": 0, "drained": 0, "unseen": 0});
        assert_eq!((&job["behind"], &job["released"]), (&json!(1), &released), "{job}");
        assert_eq!(stuck.tablet.waiting(), [] as [&str; 0], "{action}");
        assert!(in_log(&staff, &stuck.named).await && in_log(&staff, &stuck.later).await, "{action}");
        assert!(!in_log(&staff, &stuck.jam).await, "{action}");
        assert_eq!(app.verify().await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_is_taken_along_comes_to_the_same_end() {
    let app = TestApp::new().await;
    let staff = app.api("ci", Role::Operator).await;
    let mut stuck = Stuck::new(&app).await;
    let (set, job) = drained(&app, &staff, &mut stuck, "quarantine", "take_along").await;
    assert_eq!((&set["entries"], &set["behind"]), (&json!(2), &json!(0)), "{set}");
    assert_eq!(tally(&job), [2, 0, 0, 0, 0, 0], "{job}");
    assert_eq!(job["released"], Value::Null, "they are in the set, and its sum says what became of them");
    assert_eq!(stuck.tablet.waiting(), [] as [&str; 0]);
    for operation in [&stuck.jam, &stuck.named] {
        assert_eq!(entry(&staff, &stuck, operation).await["entry"]["state"], "quarantined");
        assert!(!in_log(&staff, operation).await);
    }
    assert!(in_log(&staff, &stuck.later).await, "what does not wait is not taken along");
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_held_stays_on_its_device_and_is_not_sent() {
    let app = TestApp::new().await;
    let staff = app.api("ci", Role::Operator).await;
    let mut stuck = Stuck::new(&app).await;
    let (set, job) = drained(&app, &staff, &mut stuck, "quarantine", "hold").await;
    assert_eq!(set["entries"], 2, "{set}");
    assert_eq!(tally(&job), [2, 0, 0, 0, 0, 0], "{job}");
    assert_eq!(stuck.tablet.waiting(), [stuck.named.clone()]);
    assert_eq!(entry(&staff, &stuck, &stuck.jam).await["entry"]["state"], "quarantined");
    assert_eq!(entry(&staff, &stuck, &stuck.named).await["entry"]["state"], "held");
    assert!(!in_log(&staff, &stuck.named).await && in_log(&staff, &stuck.later).await);
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_corrected_copy_goes_out_in_its_place_and_what_named_the_original_follows_it() {
    let app = TestApp::new().await;
    let staff = app.api("ci", Role::Operator).await;
    let mut stuck = Stuck::new(&app).await;
    let (_, job) = drained(&app, &staff, &mut stuck, "patch", "cut").await;
    assert_eq!(tally(&job), [1, 0, 0, 0, 0, 0], "{job}");
    assert_eq!(stuck.tablet.waiting(), [] as [&str; 0]);
    let original = entry(&staff, &stuck, &stuck.jam).await;
    assert_eq!(original["entry"]["state"], "done", "nobody retries it beside its copy: {original}");
    let copy = original["superseded_by"].as_str().expect("its copy").to_owned();
    assert!(in_log(&staff, &copy).await && !in_log(&staff, &stuck.jam).await);
    assert!(in_log(&staff, &stuck.named).await && in_log(&staff, &stuck.later).await);
    assert_eq!(app.verify().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_only_to_be_held_is_only_held_when_what_failed_is_tried_again() {
    let app = TestApp::new().await;
    let staff = app.api("ci", Role::Operator).await;
    let mut stuck = Stuck::new(&app).await;
    let set = staff.post(PREVIEWS, &stuck.selected("discard", "hold")).await.ok(201);
    assert_eq!((&set["entries"], &set["held"]), (&json!(2), &json!(1)), "{set}");
    let job = staff.post(JOBS, &submission(&set)).await.ok(202)["job"].as_str().expect("an id").to_owned();
    roll(&app).await;
    app.service().commands_expire(app.state().now().plus(30 * DAY_MS)).await.expect("looked at");
    roll(&app).await;
    let view = staff.get(&format!("{JOBS}/{job}")).await.ok(200);
    assert_eq!((tally(&view), &view["reasons"][0]["code"]), ([0, 0, 2, 0, 0, 0], &json!("command_expired")), "{view}");
    let again = staff.post(&format!("{JOBS}/{job}/retry-failed"), &json!({})).await.ok(201);
    assert_eq!((&again["entries"], &again["held"]), (&json!(2), &json!(1)), "{again}");
    let page = app.operator().await.page(&format!("/outbox/drain/{}", again["set"].as_str().expect("an id"))).await.text();
    assert!(page.contains("1 of them waits behind the others, and is only held"), "{page}");
    let let_go = json!({"action": "discard", "dependants": "cut", "selection": {"failed": job}});
    let let_go = staff.post(PREVIEWS, &let_go).await.ok(201);
    assert_eq!((&let_go["entries"], &let_go["behind"]), (&json!(1), &json!(1)), "{let_go}");
    staff.post(JOBS, &submission(&again)).await.ok(202);
    roll(&app).await;
    stuck.rounds(&app).await;
    assert_eq!(entry(&staff, &stuck, &stuck.jam).await["entry"]["state"], "discarded");
    assert_eq!(entry(&staff, &stuck, &stuck.named).await["entry"]["state"], "held", "nobody wanted it given up");
    assert_eq!(stuck.tablet.waiting(), [stuck.named.clone()]);
    assert_eq!(app.verify().await, Vec::<String>::new());
}
