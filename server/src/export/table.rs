//! What each export holds: a list of named columns, and a row's values in the same order. Raw values, so that a sheet can sort
//! them: instants as RFC 3339, durations in milliseconds, shares as they were reported.

use serde_json::{Value, json};
use tidewatch_app::pages::devices::query::Column;
use tidewatch_domain::audit::AuditEvent;
use tidewatch_domain::control::LogLine;
use tidewatch_domain::drain::{DrainAction, Keeping};
use tidewatch_domain::fleet::{Attempt, ChangeRow, DeviceRow, DrainItemRow, DriftCause, EntryPast, OutboxDevice, OutboxRow};
use tidewatch_domain::report::EntryState;

use super::cell::Cell;

/// Names of a table's columns.
pub(crate) type Header = Vec<&'static str>;

/// Columns of the device export: the id first, then those of the page.
pub(crate) fn device_header(columns: &[Column]) -> Header {
    let mut header = vec!["client_id"];
    for column in columns {
        header.extend(device_names(*column));
    }
    header
}

const fn device_names(column: Column) -> &'static [&'static str] {
    match column {
        Column::Status => &["condition", "condition_note", "health", "contact"],
        Column::Device => &["name", "principal", "simulated"],
        Column::Platform => &["platform", "os_version"],
        Column::App => &["app_version"],
        Column::Contact => &["last_contact", "interval_ms"],
        Column::Queue => &["queue_depth", "poisoned"],
        Column::Oldest => &["oldest_pending"],
        Column::Drift => &["drift_age_ms", "drift_cause"],
        Column::Battery => &["battery_percent"],
        Column::Score => &["score", "score_coverage"],
        Column::Conflicts => &["conflicts"],
        Column::Behind => &["behind"],
        Column::Id => &[],
    }
}

/// One device, in the order of [`device_header`].
pub(crate) fn device_cells(columns: &[Column], row: &DeviceRow) -> Vec<Cell> {
    let mut cells = vec![Cell::from(row.client_id.as_str())];
    for column in columns {
        match column {
            Column::Status => cells.extend([
                Cell::from(row.condition.as_str()),
                Cell::from(row.condition_note.as_str()),
                Cell::from(row.condition.health().as_str()),
                Cell::from(row.contact.as_str()),
            ]),
            Column::Device => {
                cells.extend([Cell::from(row.name.as_str()), Cell::from(row.principal.as_str()), Cell::from(row.simulated)])
            }
            Column::Platform => cells.extend([Cell::from(row.platform.clone()), Cell::from(row.os_version.clone())]),
            Column::App => cells.push(Cell::from(row.app_version.clone())),
            Column::Contact => cells.extend([Cell::from(row.last_contact), Cell::from(row.interval_ms)]),
            Column::Queue => cells.extend([Cell::from(row.queue_depth), Cell::from(row.poisoned)]),
            Column::Oldest => cells.push(Cell::from(row.oldest_pending)),
            Column::Drift => cells.extend([Cell::from(row.drift_age_ms), Cell::from(row.drift_cause.map(DriftCause::as_str))]),
            Column::Battery => cells.push(Cell::from(row.battery_percent)),
            Column::Score => cells.extend([Cell::from(row.score.value), Cell::from(row.score.coverage)]),
            Column::Conflicts => cells.push(Cell::from(row.conflicts)),
            Column::Behind => cells.push(Cell::from(row.behind)),
            Column::Id => {}
        }
    }
    cells
}

/// Columns of the export of a job's items.
pub(crate) fn drain_item_header() -> Header {
    vec!["client_id", "device_name", "operation_id", "collection", "record_id", "outcome", "code", "detail", "at"]
}

/// One item, in the order of [`drain_item_header`].
pub(crate) fn drain_item_cells(row: &DrainItemRow) -> Vec<Cell> {
    let (collection, record_id) = row.record.clone().unzip();
    vec![
        Cell::from(row.client_id.as_str()),
        Cell::from(row.device_name.as_str()),
        Cell::from(row.operation_id.as_str()),
        Cell::from(collection),
        Cell::from(record_id),
        Cell::from(row.outcome.as_str()),
        Cell::from(row.code.clone()),
        Cell::from(row.detail.clone()),
        Cell::from(row.at),
    ]
}

/// Columns of the export of the outbox.
pub(crate) fn outbox_header() -> Header {
    vec![
        "client_id",
        "device_name",
        "app_version",
        "operation_id",
        "collection",
        "record_id",
        "scope",
        "op",
        "priority",
        "state",
        "attempts",
        "created_at",
        "last_attempt_at",
        "next_attempt_at",
        "bytes",
        "error_code",
        "error_status",
        "error_message",
        "depends_on",
        "blocks",
        "pending",
        "purge_at",
        "purged_at",
    ]
}

/// One entry, in the order of [`outbox_header`].
pub(crate) fn outbox_cells(row: &OutboxRow) -> Vec<Cell> {
    let entry = &row.entry;
    let error = entry.error.as_ref();
    let (purge_at, purged_at) = match row.keeping {
        Some(Keeping::Until(at)) => (Some(at), None),
        Some(Keeping::Purged { at, .. }) => (None, Some(at)),
        None => (None, None),
    };
    vec![
        Cell::from(entry.client_id.as_str()),
        Cell::from(row.device_name.as_str()),
        Cell::from(row.app_version.clone()),
        Cell::from(entry.operation_id.as_str()),
        Cell::from(entry.collection.as_str()),
        Cell::from(entry.record_id.as_str()),
        Cell::from(entry.scope.clone()),
        Cell::from(entry.op.as_str()),
        Cell::from(entry.priority),
        Cell::from(entry.state.as_str()),
        Cell::from(entry.attempts),
        Cell::from(entry.created_at),
        Cell::from(entry.last_attempt_at),
        Cell::from(entry.next_attempt_at),
        Cell::from(entry.bytes),
        Cell::from(error.map(|error| error.code.clone())),
        Cell::from(error.and_then(|error| error.status)),
        Cell::from(error.and_then(|error| error.message.clone())),
        Cell::List(entry.depends_on.clone()),
        Cell::from(i64::try_from(row.blocks).unwrap_or(i64::MAX)),
        Cell::from(row.pending.map(DrainAction::as_str)),
        Cell::from(purge_at),
        Cell::from(purged_at),
    ]
}

/// What a file that leaves nothing out has of each entry beside [`outbox_header`].
pub(crate) fn outbox_past_header() -> Header {
    vec!["history", "drain"]
}

/// What has happened to one entry, in the order of [`outbox_past_header`].
pub(crate) fn outbox_past_cells(past: &EntryPast) -> Vec<Cell> {
    let attempt = |attempt: &Attempt| {
        json!({
            "at": attempt.at.to_string(), "code": attempt.code, "message": attempt.message, "app_version": attempt.app_version,
        })
    };
    let history: Value = past.attempts.iter().map(attempt).collect();
    let drain = past.drain.as_ref().map_or(Cell::Missing, |drain| {
        let told = json!({
            "job": drain.job, "action": drain.action, "by": drain.by, "reason": drain.reason, "at": drain.at.to_string(),
            "approved_by": drain.approved_by,
        });
        Cell::Json(told.to_string())
    });
    vec![Cell::Json(history.to_string()), drain]
}

/// Columns of the export of the outbox by device: one for each state.
pub(crate) fn outbox_device_header() -> Header {
    let mut header = vec!["client_id", "name", "app_version", "condition", "contact", "queue_depth", "oldest_pending"];
    header.extend(EntryState::ALL.map(EntryState::as_str));
    header
}

/// One device, in the order of [`outbox_device_header`].
pub(crate) fn outbox_device_cells(device: &OutboxDevice) -> Vec<Cell> {
    let row = &device.row;
    let mut cells = vec![
        Cell::from(row.client_id.as_str()),
        Cell::from(row.name.as_str()),
        Cell::from(row.app_version.clone()),
        Cell::from(row.condition.as_str()),
        Cell::from(row.contact.as_str()),
        Cell::from(row.queue_depth),
        Cell::from(row.oldest_pending),
    ];
    cells.extend(device.states.map(|entries| Cell::from(i64::try_from(entries).unwrap_or(i64::MAX))));
    cells
}

/// Columns of the export of the change log.
pub(crate) fn change_header() -> Header {
    vec![
        "seq",
        "committed",
        "collection",
        "record_id",
        "scope",
        "op",
        "version",
        "changed",
        "client_id",
        "device_name",
        "operation_id",
        "decision",
        "hlc",
        "hlc_claimed",
    ]
}

/// One change, in the order of [`change_header`].
pub(crate) fn change_cells(row: &ChangeRow) -> Vec<Cell> {
    vec![
        Cell::from(row.seq.0),
        Cell::from(row.committed),
        Cell::from(row.collection.as_str()),
        Cell::from(row.record_id.as_str()),
        Cell::from(row.scope.as_str()),
        Cell::from(row.op),
        Cell::from(row.version),
        Cell::List(row.changed.clone()),
        Cell::from(row.client_id.as_ref().map(|id| id.as_str())),
        Cell::from(row.device_name.clone()),
        Cell::from(row.operation_id.as_str()),
        Cell::from(row.decision),
        Cell::from(row.hlc.as_str()),
        Cell::from(row.hlc_claimed.clone()),
    ]
}

/// Columns of the export of the audit log.
pub(crate) fn audit_header() -> Header {
    vec!["id", "at", "actor", "action", "subject", "before", "after", "trace_id"]
}

/// One audit row, in the order of [`audit_header`].
pub(crate) fn audit_cells(row: &AuditEvent) -> Vec<Cell> {
    let json = |text: &Option<String>| text.clone().map_or(Cell::Missing, Cell::Json);
    vec![
        Cell::from(row.id),
        Cell::from(row.at),
        Cell::from(row.actor.as_str()),
        Cell::from(row.action.as_str()),
        Cell::from(row.subject.clone()),
        json(&row.before),
        json(&row.after),
        Cell::from(row.trace_id.clone()),
    ]
}

/// Columns of the lines of a log: as a device uploads them.
pub(crate) fn log_header() -> Header {
    vec!["at", "level", "target", "message"]
}

/// One line of a log, in the order of [`log_header`].
pub(crate) fn log_cells(line: &LogLine) -> Vec<Cell> {
    vec![
        Cell::from(line.at),
        Cell::from(line.level.as_str()),
        Cell::from(line.target.as_str()),
        Cell::from(line.message.as_str()),
    ]
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::fleet::{Condition, Contact, Score};
    use tidewatch_domain::ids::ClientId;
    use tidewatch_domain::time::Millis;

    use super::*;

    fn row() -> DeviceRow {
        DeviceRow {
            client_id: ClientId::parse("0199a3c2-0000-7000-8000-000000000001").expect("a UUID"),
            name: "Ward 3 tablet".into(),
            principal: "maya".into(),
            platform: None,
            os_version: None,
            app_version: None,
            simulated: false,
            condition: Condition::Unknown,
            condition_note: String::new(),
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
        }
    }

    #[test]
    fn every_choice_of_columns_gives_as_many_values_as_names() {
        for column in Column::ALL {
            assert_eq!(device_header(&[column]).len(), device_cells(&[column], &row()).len(), "{}", column.as_str());
        }
        assert_eq!(device_header(&Column::ALL).len(), device_cells(&Column::ALL, &row()).len());
    }

    #[test]
    fn no_text_of_a_row_can_start_a_formula() {
        let bad = || "=1+1".to_owned();
        let device = DeviceRow {
            name: bad(),
            principal: bad(),
            platform: Some(bad()),
            os_version: Some(bad()),
            condition_note: bad(),
            ..row()
        };
        let audit = AuditEvent {
            id: 1,
            at: Millis(0),
            actor: bad(),
            action: bad(),
            subject: Some(bad()),
            before: Some(bad()),
            after: Some(bad()),
            trace_id: Some(bad()),
        };
        for cells in [device_cells(&Column::ALL, &device), audit_cells(&audit)] {
            let (mut line, mut found) = (String::new(), 0);
            for cell in &cells {
                line.clear();
                cell.write_csv(&mut line);
                found += usize::from(line == "'=1+1");
                assert!(!line.starts_with('='), "{cell:?}");
            }
            assert!(found >= 5, "{cells:?}");
        }
    }

    #[test]
    fn what_a_device_did_not_report_is_missing_and_not_zero() {
        let cells = device_cells(&[Column::Queue, Column::Battery], &row());
        assert_eq!(cells[1..], [Cell::Missing, Cell::Int(0), Cell::Missing]);
    }
}
