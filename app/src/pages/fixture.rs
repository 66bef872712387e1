//! Read models made by hand, for tests of the views. Nothing outside tests sees them.

pub(crate) mod drain;

use leptos::prelude::*;
use tidewatch_domain::fleet::{
    ChangeRow, Condition, Contact, Convergence, ConvergenceVerdict, DeviceList, DeviceRow, DeviceView, Drift, DriftCause,
    EntryRow, FleetCounts, Gate, OutboxRow, Score, Scores, Tone, Trace, TraceStage,
};
use tidewatch_domain::ids::{ClientId, Seq};
use tidewatch_domain::page::{Page, Total};
use tidewatch_domain::report::{EntryState, ReportedError};
use tidewatch_domain::time::{HOUR_MS, MINUTE_MS, Millis};

/// The present of every test: 2026-03-12T14:32:07Z.
pub(crate) const NOW: Millis = Millis(1_773_325_927_000);

/// HTML of a view, rendered as the server does. Marks that only the renderer needs are taken out.
pub(crate) fn html<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    let owner = Owner::new();
    owner.with(|| view().into_view().to_html()).replace("<!>", "").replace("<!---->", "")
}

/// Text of HTML: what a reader sees, tags taken out, runs of space made one.
pub(crate) fn text(html: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for letter in html.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            _ if inside => {}
            '\u{a0}' => out.push(' '),
            other => out.push(other),
        }
    }
    out.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The part of HTML from the first `from` to the `to` after it: one row, one panel.
#[track_caller]
pub(crate) fn part<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
    let start = html.find(from).unwrap_or_else(|| panic!("{from} is not in {html}"));
    let end = html[start..].find(to).unwrap_or_else(|| panic!("{to} does not follow {from}"));
    &html[start..start + end + to.len()]
}

pub(crate) fn client(n: u32) -> ClientId {
    ClientId::parse(format!("0199a3c2-0000-7000-8000-{n:012}")).expect("a UUID")
}

/// A stuck tablet on its rhythm, everything reported.
pub(crate) fn stuck() -> DeviceRow {
    DeviceRow {
        client_id: client(412),
        name: "LOW-TAB-0412".into(),
        principal: "R. Adeyemi".into(),
        platform: Some("android".into()),
        os_version: Some("14".into()),
        app_version: Some("4.18.0".into()),
        simulated: false,
        condition: Condition::Stuck,
        condition_note: "9 rejected, 44 waiting".into(),
        contact: Contact::Active,
        last_contact: Some(NOW.plus(-3 * MINUTE_MS)),
        interval_ms: Some(15 * MINUTE_MS),
        rhythm: vec![true; 12],
        queue_depth: Some(53),
        poisoned: 9,
        oldest_pending: Some(NOW.plus(-8 * HOUR_MS - 11 * MINUTE_MS)),
        drift_age_ms: Some(8 * HOUR_MS + 11 * MINUTE_MS),
        drift_cause: Some(DriftCause::NotAcknowledged),
        battery_percent: Some(78.0),
        battery_trend: vec![90.0, 84.0, 78.0],
        score: Score { value: Some(71.4), coverage: 0.9 },
        conflicts: 2,
        behind: Some(0),
    }
}

/// A phone that has been silent for days: what it said is old.
pub(crate) fn lost() -> DeviceRow {
    DeviceRow {
        client_id: client(871),
        name: "LOW-PHN-0871".into(),
        condition: Condition::Unknown,
        condition_note: String::new(),
        contact: Contact::Overdue,
        last_contact: Some(NOW.plus(-102 * HOUR_MS)),
        interval_ms: Some(6 * HOUR_MS),
        rhythm: vec![false; 12],
        queue_depth: Some(24),
        poisoned: 0,
        battery_percent: None,
        battery_trend: Vec::new(),
        score: Score { value: None, coverage: 0.2 },
        drift_cause: Some(DriftCause::NotConnected),
        drift_age_ms: Some(102 * HOUR_MS),
        conflicts: 0,
        ..stuck()
    }
}

/// A desktop that registered and never came back.
pub(crate) fn never() -> DeviceRow {
    DeviceRow {
        client_id: client(21),
        name: "LOW-DSK-0021".into(),
        platform: Some("linux".into()),
        os_version: None,
        app_version: None,
        condition: Condition::Unknown,
        contact: Contact::Never,
        last_contact: None,
        interval_ms: None,
        rhythm: Vec::new(),
        queue_depth: None,
        poisoned: 0,
        oldest_pending: None,
        drift_age_ms: None,
        drift_cause: None,
        battery_percent: None,
        battery_trend: Vec::new(),
        score: Score { value: None, coverage: 0.0 },
        conflicts: 0,
        behind: None,
        ..stuck()
    }
}

pub(crate) fn counts() -> FleetCounts {
    FleetCounts { devices: 2_418, by_condition: [212, 3, 71, 0, 2, 40, 2_090], by_contact: [4, 311, 16, 87, 2_000], simulated: 0 }
}

pub(crate) fn page<T>(rows: Vec<T>, total: u64) -> Page<T> {
    Page { rows, next: None, previous: None, total: Total::Exact(total) }
}

pub(crate) fn devices(rows: Vec<DeviceRow>) -> DeviceList {
    let total = u64::try_from(rows.len()).expect("small");
    DeviceList { page: page(rows, total), counts: counts(), as_of: NOW }
}

pub(crate) fn device_view(row: DeviceRow) -> DeviceView {
    let gate = |cause, shut_ms, note: &str| Gate { cause, shut_ms, note: note.to_owned() };
    let score = row.score;
    DeviceView {
        drift: Drift {
            age_ms: row.drift_age_ms,
            cause: row.drift_cause,
            gates: [
                gate(DriftCause::NotConnected, Some(0), "last contact 3 min ago"),
                gate(DriftCause::NotPulling, Some(0), "last pull 2026-03-12T14:29:04.120Z, 0 changes behind"),
                gate(DriftCause::NotApplying, None, "no cursor reported"),
                gate(DriftCause::NotAcknowledged, row.drift_age_ms, "9 rejected since 06:21"),
            ],
        },
        scores: Scores {
            total: score,
            connectivity: score,
            offline_resilience: score,
            battery: Score { value: None, coverage: 0.2 },
            user_experience: score,
        },
        sentence:
            "Stuck for 8:11 h. 9 entries were rejected and 44 entries wait behind. It checked in 3 min ago, on its own rhythm."
                .into(),
        convergence: vec![
            Convergence {
                scope: "building:42".into(),
                collection: "inspections".into(),
                verdict: ConvergenceVerdict::Blocked(9),
            },
            Convergence {
                scope: "building:42".into(),
                collection: "assets".into(),
                verdict: ConvergenceVerdict::Identical(Seq(8_812_406)),
            },
            Convergence { scope: "building:42".into(), collection: "photos".into(), verdict: ConvergenceVerdict::NotReported },
        ],
        facts: vec![("Network", Some("cellular".into())), ("Storage", None)],
        next_expected: Some(NOW.plus(12 * MINUTE_MS)),
        kept_of_24: Some((24, 24)),
        enrolled: NOW.plus(-1_000 * HOUR_MS),
        blocked: false,
        risks: Vec::new(),
        recommended: Vec::new(),
        row,
    }
}

pub(crate) fn entry(id: &str, state: EntryState) -> EntryRow {
    EntryRow {
        client_id: client(412),
        operation_id: id.to_owned(),
        collection: "inspections".into(),
        record_id: "INS-40217".into(),
        scope: Some("building:42".into()),
        op: "update".into(),
        priority: 2,
        state,
        attempts: 5,
        created_at: Some(NOW.plus(-8 * HOUR_MS)),
        last_attempt_at: Some(NOW.plus(-3 * MINUTE_MS)),
        next_attempt_at: None,
        bytes: Some(1_900),
        error: Some(ReportedError {
            code: "schema_invalid".into(),
            status: Some(422),
            message: Some("pressure_kpa is text".into()),
        }),
        depends_on: Vec::new(),
    }
}

/// An entry in a list across devices, with nothing behind it.
pub(crate) fn outbox_row(entry: EntryRow) -> OutboxRow {
    OutboxRow {
        entry,
        device_name: "LOW-TAB-0412".into(),
        app_version: Some("4.18.0".into()),
        blocks: 0,
        pending: None,
        keeping: None,
    }
}

pub(crate) fn change(seq: i64) -> ChangeRow {
    ChangeRow {
        seq: Seq(seq),
        committed: NOW.plus(-MINUTE_MS),
        collection: "inspections".into(),
        record_id: "INS-40217".into(),
        scope: "building:42".into(),
        op: "update",
        version: 13,
        changed: ["status", "reading", "note", "photos", "inspector", "site"].map(str::to_owned).to_vec(),
        client_id: Some(client(412)),
        device_name: Some("LOW-TAB-0412".into()),
        operation_id: "op_01KKH2B4XYZ9V8RM".into(),
        decision: "merged",
        hlc: "1773325927000-0-a".into(),
        hlc_claimed: Some("1773999999000-0-a".into()),
    }
}

pub(crate) fn trace(status: Option<&str>, stages: Vec<TraceStage>) -> Trace {
    Trace {
        operation_id: "op_01KKH2B4XYZ9V8RM".into(),
        client_id: Some(client(412)),
        device_name: Some("LOW-TAB-0412".into()),
        subject: Some(("inspections".into(), "INS-40217".into())),
        scope: Some("building:42".into()),
        stages,
        status: status.map(str::to_owned),
        shape: Some(r#"{"status":"string","reading":{"kpa":"number"}}"#.into()),
        pulled: Some((3, 12)),
    }
}

pub(crate) fn stage(name: &'static str, minutes_ago: i64, tone: Tone) -> TraceStage {
    TraceStage {
        at: Some(NOW.plus(-minutes_ago * MINUTE_MS)),
        stage: name,
        tone,
        title: format!("It was {name}"),
        detail: "as expected".into(),
    }
}
