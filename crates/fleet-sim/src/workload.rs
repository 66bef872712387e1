//! What people do on a simulated device: which records they make, change and delete.
//!
//! Edits favour records that were changed lately and are few, so that devices of one site meet on them. A record's fields
//! keep the types of the demo collections; only the form for new inspections of the bad release writes a reading as text. What is edited behind
//! one names it. Whose device was helped over the control channel leaves that form alone.

use serde_json::{Value, json};
use tidewatch_client::Draft;
use tidewatch_client::replica::Key;
use tidewatch_client::state::State;
use tidewatch_domain::ids::{CollectionName, OperationId, RecordId, Scope};
use tidewatch_domain::sync::{Body, MutationOp};

use crate::dice::Dice;
use crate::persona::Profile;

/// Live records of one collection in one scope at which people stop making new ones.
const RECORDS_MAX: usize = 60;
/// Records that edits favour.
const HOT_RECORDS: usize = 12;
/// Share of edits that go to a favoured record.
const HOT_SHARE: f64 = 0.6;
/// Unsynced inspections at which people give up editing them.
const JAM_MAX: usize = 45;
/// New inspections that stay unsynced before people give up making more.
const REFUSED_MAX: usize = 6;

/// Collections people work in, with their share in percent, and how urgent their operations are.
const WORK: [(&str, i64, u8); 7] = [
    ("inspections", 28, 2),
    ("work_orders", 26, 2),
    ("meter_readings", 16, 3),
    ("todos", 10, 4),
    ("notes", 8, 4),
    ("assets", 4, 3),
    ("approvals", 8, 1),
];

/// Draws the next edit of a device.
pub fn draft(profile: &Profile, state: &State, dice: &mut Dice) -> Option<Draft> {
    let mut at = dice.between(0, 99);
    let &(mut collection, _, mut priority) = WORK.iter().find(|(_, share, _)| {
        at -= share;
        at < 0
    })?;
    let stuck = profile.bad_release.then(|| Stuck::of(state));
    // The bad release shows soon: its owners inspect before they do anything else.
    if stuck.is_some_and(|stuck| stuck.makes && (stuck.edits == 0 || dice.chance(0.3))) {
        (collection, priority) = ("inspections", 2);
    }
    if dice.chance(0.02) {
        priority = 1;
    }
    let stuck = stuck.filter(|_| collection == "inspections");
    if stuck.is_some_and(|stuck| stuck.edits >= JAM_MAX) {
        return None;
    }
    let scope = profile.scopes().swap_remove(0);
    let known = records(state, collection, &scope);
    let makes = match stuck {
        Some(stuck) => stuck.makes && (stuck.edits == 0 || dice.chance(0.5)),
        None => known.len() < 4 || known.len() < RECORDS_MAX && dice.chance(0.25),
    };
    let (op, record_id, fields) = match makes {
        true => (MutationOp::Create, new_id(collection, profile, dice), body(collection, profile, dice)),
        false if known.is_empty() => return None,
        false if collection == "todos" && known.len() > RECORDS_MAX / 2 && dice.chance(0.1) => {
            (MutationOp::Delete, choose(&known, dice), Body::new())
        }
        false => (MutationOp::Update, choose(&known, dice), change(collection, profile, dice)),
    };
    // Its app knows what an edit stands on.
    let key = (collection.to_owned(), record_id.clone());
    let made = stuck.and_then(|_| state.outbox.of_record(&key).find(|entry| entry.intent.op == MutationOp::Create));
    let depends_on = made.and_then(|entry| OperationId::parse(&*entry.intent.operation_id).ok());
    Some(Draft {
        collection: CollectionName::parse(collection).expect("the workload's collections are valid"),
        record_id: RecordId::parse(record_id).expect("the workload's ids are valid"),
        scope: Scope::parse(scope).expect("the workload's scopes are valid"),
        op,
        fields,
        priority,
        deadline: None,
        depends_on: depends_on.into_iter().collect(),
    })
}

/// The inspections of a device of the bad release that are not synced.
#[derive(Clone, Copy)]
struct Stuck {
    /// Edits of them.
    edits: usize,
    /// Whether its owner goes on making new ones.
    makes: bool,
}

impl Stuck {
    fn of(state: &State) -> Self {
        let edits = || state.outbox.entries().filter(|entry| entry.intent.key.0 == "inspections");
        let made = edits().filter(|entry| entry.intent.op == MutationOp::Create).count();
        let was_helped = state.commands.obeyed().next().is_some();
        Self { edits: edits().count(), makes: made < REFUSED_MAX && !was_helped }
    }
}

/// Ids of the records a person sees, their own unsent ones included; in a stable order.
fn records(state: &State, collection: &str, scope: &str) -> Vec<String> {
    let confirmed = state.replica.live().filter(|(key, image)| key.0 == collection && image.scope == scope).map(|(key, _)| key);
    let own = state
        .outbox
        .entries()
        .filter(|entry| entry.intent.key.0 == collection && entry.intent.op == MutationOp::Create)
        .map(|entry| &entry.intent.key);
    let mut ids: Vec<&Key> = confirmed.chain(own).collect();
    ids.sort();
    ids.dedup();
    ids.into_iter()
        .filter(|key| state.outbox.of_record(key).all(|entry| entry.intent.op != MutationOp::Delete))
        .map(|key| key.1.clone())
        .collect()
}

fn choose(known: &[String], dice: &mut Dice) -> String {
    let hot = &known[..known.len().min(HOT_RECORDS)];
    if dice.chance(HOT_SHARE) { dice.pick(hot).clone() } else { dice.pick(known).clone() }
}

fn new_id(collection: &str, profile: &Profile, dice: &mut Dice) -> String {
    let prefix = match collection {
        "inspections" => "INS",
        "work_orders" => "WO",
        "meter_readings" => "MR",
        "assets" => "AST",
        "notes" => "NT",
        "approvals" => "AP",
        _ => "TD",
    };
    format!("{prefix}-{}-{:04}-{:06x}", profile.site.code, profile.index, dice.between(0, 0xff_ffff))
}

fn body(collection: &str, profile: &Profile, dice: &mut Dice) -> Body {
    let value = match collection {
        "inspections" => json!({
            "asset": format!("AST-{}-{}", profile.site.code, dice.between(100, 140)), "inspector": profile.principal,
            "passed": true, "reading": first_reading(profile, dice), "note": dice.pick(&NOTES),
        }),
        "work_orders" => {
            json!({ "title": dice.pick(&JOBS), "status": "open", "assignee": profile.principal, "hours": 0, "priority": 3 })
        }
        "meter_readings" => json!({
            "meter": format!("M-{}-{}", profile.site.code, dice.between(10, 60)), "reading": dice.between(100, 90_000), "unit": "m3",
        }),
        "assets" => {
            json!({ "name": dice.pick(&ASSETS), "condition": "good", "location": format!("bay {}", dice.between(1, 24)) })
        }
        "notes" => json!({ "text": dice.pick(&NOTES), "author": profile.principal }),
        "approvals" => json!({ "subject": dice.pick(&JOBS), "state": "asked", "by": profile.principal }),
        _ => json!({ "title": dice.pick(&JOBS), "done": false }),
    };
    object(value)
}

/// The fields one edit touches: one, seldom two.
fn change(collection: &str, profile: &Profile, dice: &mut Dice) -> Body {
    let mut fields = Body::new();
    let touched = if dice.chance(0.2) { 2 } else { 1 };
    for _ in 0..touched {
        let (name, value) = match (collection, dice.between(0, 3)) {
            ("inspections", 0) => ("passed", json!(dice.chance(0.8))),
            ("inspections", 1) => ("note", json!(dice.pick(&NOTES))),
            ("inspections", _) => ("reading", json!(reading(dice))),
            ("work_orders", 0) => ("status", json!(dice.pick(&["open", "assigned", "on_site", "done"]))),
            ("work_orders", 1) => ("hours", json!(dice.between(1, 48))),
            ("work_orders", 2) => ("assignee", json!(profile.principal)),
            ("work_orders", _) => ("priority", json!(dice.between(1, 5))),
            ("meter_readings", _) => ("reading", json!(dice.between(100, 90_000))),
            ("assets", 0) => ("condition", json!(dice.pick(&["good", "worn", "defect"]))),
            ("assets", _) => ("location", json!(format!("bay {}", dice.between(1, 24)))),
            ("notes", _) => ("text", json!(dice.pick(&NOTES))),
            ("approvals", _) => ("state", json!(dice.pick(&["asked", "granted", "refused"]))),
            (_, 0 | 1) => ("done", json!(dice.chance(0.5))),
            _ => ("title", json!(dice.pick(&JOBS))),
        };
        fields.insert(name.to_owned(), value);
    }
    fields
}

/// A pressure in kPa.
fn reading(dice: &mut Dice) -> f64 {
    (dice.float(180.0, 620.0) * 10.0).round() / 10.0
}

/// The one that an inspection is made with. The bad release writes it as text.
fn first_reading(profile: &Profile, dice: &mut Dice) -> Value {
    let kpa = reading(dice);
    if profile.bad_release { json!(format!("{kpa}")) } else { json!(kpa) }
}

fn object(value: Value) -> Body {
    match value {
        Value::Object(body) => body,
        _ => unreachable!("bodies are written as objects above"),
    }
}

const NOTES: [&str; 8] = [
    "Seal replaced",
    "Access blocked by parked van",
    "Second visit needed",
    "Valve stiff, greased",
    "Corrosion on the flange",
    "Customer informed",
    "Photo attached on the depot drive",
    "All clear",
];
const JOBS: [&str; 8] = [
    "Check pump 3",
    "Replace gauge",
    "Leak at hydrant",
    "Flush line 7",
    "Calibrate flow meter",
    "Paint bollards",
    "Inspect crane hook",
    "Clear drain",
];
const ASSETS: [&str; 6] = ["Booster pump", "Pressure reducer", "Hydrant", "Flow meter", "Gate valve", "Control cabinet"];

#[cfg(test)]
mod tests {
    use tidewatch_client::journal::MemoryJournal;
    use tidewatch_client::state::Event;
    use tidewatch_domain::time::{HOUR_MS, Millis};

    use super::*;
    use crate::device::{Setup, SimDevice};
    use crate::persona::fleet;
    use crate::scenario::Scenario;

    fn readings(bad: bool) -> Vec<Value> {
        let fleet = fleet(3, 40, Scenario::BadRelease);
        let profile = fleet.iter().find(|profile| profile.bad_release == bad).expect("both kinds are there");
        let (state, mut dice) = (State::new(0), Dice::new(1, "workload", 0));
        let drafts = (0..200).filter_map(|_| draft(profile, &state, &mut dice));
        drafts.filter_map(|draft| draft.fields.get("reading").cloned()).collect()
    }

    #[test]
    fn only_the_bad_release_writes_a_reading_as_text() {
        assert!(readings(true).iter().all(Value::is_string) && !readings(true).is_empty());
        assert!(readings(false).iter().all(Value::is_number) && !readings(false).is_empty());
    }

    /// A device of the bad release after a long day without network.
    fn jammed() -> (Profile, State) {
        let profile = fleet(3, 40, Scenario::BadRelease).into_iter().find(|profile| profile.bad_release).expect("one has it");
        let setup = Setup { seed: 3, enrolment_token: None, start: 0, acknowledged_limit: 0 };
        let mut device = SimDevice::open(profile.clone(), &setup, MemoryJournal::default()).expect("a memory journal opens");
        device.edit_before(Millis(1_790_000_000_000), 300, HOUR_MS).expect("a memory journal takes all");
        (profile, device.client.state().clone())
    }

    #[test]
    fn the_bad_release_makes_few_that_fail_and_what_is_edited_later_names_them() {
        let (_, state) = jammed();
        let (made, edited): (Vec<_>, Vec<_>) = state
            .outbox
            .entries()
            .map(|entry| &entry.intent)
            .filter(|intent| intent.key.0 == "inspections")
            .partition(|intent| intent.op == MutationOp::Create);
        assert_eq!(made.len(), REFUSED_MAX);
        assert!(made.iter().all(|intent| intent.fields()["reading"].is_string() && intent.depends_on.is_empty()));
        assert!(!edited.is_empty() && edited.iter().all(|intent| intent.fields().get("reading").is_none_or(Value::is_number)));
        for intent in edited {
            let of = made.iter().find(|made| made.key == intent.key).expect("nothing else is known yet");
            assert_eq!(intent.depends_on, [of.operation_id.as_str()]);
        }
    }

    #[test]
    fn whoever_was_helped_makes_no_more_that_fail() {
        let (profile, mut state) = jammed();
        state.outbox = tidewatch_client::outbox::Outbox::default();
        let makes = |state: &State| {
            let mut dice = Dice::new(1, "workload", 0);
            let drafts = (0..200).filter_map(|_| draft(&profile, state, &mut dice));
            drafts.filter(|draft| draft.collection.as_str() == "inspections" && draft.op == MutationOp::Create).count()
        };
        assert!(makes(&state) > 0);
        state.apply(Event::Ended { command: "c-1".into() });
        assert_eq!(makes(&state), 0);
    }

    #[test]
    fn an_update_goes_to_a_record_that_is_there() {
        let profile = &fleet(3, 1, Scenario::Ordinary)[0];
        let (state, mut dice) = (State::new(0), Dice::new(1, "workload", 0));
        assert!((0..200).filter_map(|_| draft(profile, &state, &mut dice)).all(|draft| draft.op == MutationOp::Create));
    }
}
