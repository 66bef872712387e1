//! What apps send in protocols of their own, translated: the same golden logs cover how each item is read and what is decided of it.

use serde_json::{Value, json};
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::facades::{Item, arxos, asyncstorage, posalpro, prism};

use super::{App, Sent};

const ARXOS: &str = include_str!("../../../service/src/collections/arxos.json");
const ASYNCSTORAGE: &str = include_str!("../../../service/src/collections/asyncstorage.json");
const POSALPRO: &str = include_str!("../../../service/src/collections/posalpro.json");
const PRISM: &str = include_str!("../../../service/src/collections/prism.json");

/// The policies of a ready-made set; documents that merge by themselves are in a golden log of their own.
fn policies(set: &str) -> Vec<(&'static str, Value)> {
    let all: Vec<Value> = serde_json::from_str(set).expect("a set");
    let plain = all.into_iter().filter(|definition| definition["policy"]["kind"] != "crdt");
    plain
        .map(|definition| (&*definition["name"].as_str().expect("a name").to_owned().leak(), definition["policy"].clone()))
        .collect()
}

fn device(number: u8) -> ClientId {
    ClientId::parse(format!("0192f0c1-7b1e-7c3a-9d2e-{number:012x}")).expect("a UUID")
}

fn sent(device: u8, role: Option<(&'static str, i64)>, minute: i64, items: impl IntoIterator<Item = Item>) -> Sent {
    let intents = items.into_iter().map(|item| {
        assert_eq!(item.fault, None, "{}", item.id);
        Value::Object(item.intent)
    });
    let (role, rank) = role.unzip();
    (device, role, rank.unwrap_or(0), minute, intents.collect())
}

/// An instant so many minutes after the golden logs begin, which is 2025-11-13T02:13:20Z.
fn at(minute: i64) -> String {
    super::NOW.plus(minute * 60_000).to_string()
}

/// Equipment of a building: edits of two devices that were away, a retry, a deletion.
pub(crate) fn arxos() -> App {
    let operation = |id: &str, operation: &str, minute: i64, version: Option<i64>, status: &str| {
        let mut payload = json!({"building_id": "42", "status": status});
        if let Some(version) = version {
            payload["version"] = version.into();
        }
        json!({"entity_type": "equipment", "entity_id": id, "operation": operation, "payload": payload, "local_time": at(minute)})
    };
    let read = |number: u8, minute: i64, operations: &[Value]| {
        let body = json!({"operations": operations}).to_string();
        let read = arxos::batch_read(body.as_bytes(), &device(number)).expect("an envelope");
        sent(number, None, minute, read.into_iter().map(|operation| operation.item))
    };
    let lost = operation("pump", "update", 5, Some(1), "off");
    App {
        name: "arxos",
        scopes: &["building:42"],
        policies: policies(ARXOS),
        sent: vec![
            read(1, 1, &[operation("pump", "create", 0, None, "ok"), operation("pump", "update", 1, Some(1), "fault")]),
            read(2, 10, std::slice::from_ref(&lost)),
            read(2, 11, std::slice::from_ref(&lost)),
            read(2, 12, &[operation("pump", "update", 12, Some(1), "fixed")]),
            read(1, 13, &[operation("pump", "update", 2, None, "old"), operation("pump", "delete", 13, Some(4), "")]),
            read(
                1,
                14,
                &[
                    json!({"entity_type": "building", "entity_id": "42", "operation": "create", "payload": {"name": "North"}, "local_time": at(14)}),
                ],
            ),
            read(
                1,
                15,
                &[json!({"entity_type": "anchor", "entity_id": "a-1", "operation": "create", "created_at": super::NOW.0,
                "payload": "{\"building_id\":\"42\",\"position_x\":1.5}"})],
            ),
        ],
    }
}

/// Calls on a line that two telephones record, and the contacts of their owner.
pub(crate) fn asyncstorage() -> App {
    let read = |number: u8, minute: i64, items: &[Value]| {
        let body = json!({"items": items}).to_string();
        sent(number, None, minute, asyncstorage::queue_read(body.as_bytes(), &device(number)).expect("an envelope"))
    };
    let call = |id: &str, duration: i64| {
        json!({"id": id, "type": "EventCreate", "priority": "high", "timestamp": super::NOW.0,
            "payload": {"line_id": 7, "ts": "2025-11-20T10:00:00.400Z", "number": "+49 170 123", "direction": "in", "duration": duration}})
    };
    let contact = |id: &str, kind: &str, minute: i64, payload: Value| json!({"id": id, "type": format!("Contact{kind}"), "priority": "low", "timestamp": at(minute), "scope": "line:7", "payload": payload});
    App {
        name: "asyncstorage",
        scopes: &["line:7"],
        policies: policies(ASYNCSTORAGE),
        sent: vec![
            read(1, 0, &[call("i-1", 10)]),
            read(2, 1, &[call("i-2", 11), call("i-3", 12)]),
            read(
                2,
                2,
                &[
                    json!({"id": "i-4", "type": "EventUpdate", "timestamp": at(2), "payload": {"id": "i-2", "line_id": 7, "note": "back"}}),
                ],
            ),
            read(1, 3, &[contact("i-5", "Create", 3, json!({"id": "ann", "name": "Ann", "tel": "1"}))]),
            read(1, 9, &[contact("i-6", "Update", 9, json!({"id": "ann", "name": "Anna"}))]),
            read(
                2,
                10,
                &[
                    contact("i-7", "Update", 5, json!({"id": "ann", "name": "An", "tel": "2"})),
                    contact("i-8", "Delete", 4, json!({"id": "ann"})),
                ],
            ),
        ],
    }
}

/// Events of a shop, each entity under the rule that its app names.
pub(crate) fn posalpro() -> App {
    let event = |id: &str, kind: &str, entity: &str, minute: i64, base: Option<i64>, payload: Value| {
        json!({"id": id, "type": kind, "entity": entity, "entityId": "x", "payload": payload, "timestamp": at(minute),
            "deviceId": "tablet", "userId": "u", "conflictResolution": "merge", "baseVersion": base})
    };
    let read = |number: u8, role: Option<(&'static str, i64)>, minute: i64, events: &[Value]| {
        let body = json!({"events": events}).to_string();
        sent(number, role, minute, posalpro::events_read(body.as_bytes(), &device(number)).expect("an envelope").0)
    };
    let entities =
        ["proposals", "approvals", "reviews", "customers", "products", "content", "users", "financial-data", "legal-content"];
    let all = |mark: &str, kind: &str, minute: i64, base: Option<i64>, payload: Value| -> Vec<Value> {
        entities.iter().map(|entity| event(&format!("{mark}-{entity}"), kind, entity, minute, base, payload.clone())).collect()
    };
    let seen = |id: &str, kind: &str, minute: i64, clock: Value| {
        let event = event(id, kind, "proposals", minute, None, json!({"name": id}));
        let mut members = event.as_object().expect("an event").clone();
        members.extend([("entityId".to_owned(), json!("v")), ("vectorClock".to_owned(), clock)]);
        Value::Object(members)
    };
    App {
        name: "posalpro",
        scopes: &["global"],
        policies: policies(POSALPRO),
        sent: vec![
            read(1, Some(("manager", 50)), 0, &all("a", "CREATE", 0, None, json!({"status": "approved", "name": "A", "sum": 1}))),
            read(1, Some(("manager", 50)), 5, &all("b", "UPDATE", 5, Some(1), json!({"name": "B"}))),
            read(2, Some(("sales", 10)), 9, &all("c", "UPDATE", 8, Some(1), json!({"name": "C", "sum": 2}))),
            read(2, Some(("sales", 10)), 10, &[event("d-1", "UPDATE", "proposals", 10, Some(3), json!({"status": "draft"}))]),
            read(2, Some(("sales", 10)), 11, &[event("d-2", "UPDATE", "users", 11, None, json!({"role": "owner"}))]),
            read(1, Some(("admin", 90)), 12, &[event("d-3", "DELETE", "customers", 12, Some(3), Value::Null)]),
            read(1, None, 13, &[seen("v-1", "CREATE", 13, json!({"ipad": 1})), seen("v-2", "UPDATE", 14, json!({"ipad": 2}))]),
            read(2, None, 15, &[seen("v-3", "UPDATE", 15, json!({"ipad": 1})), seen("v-4", "UPDATE", 15, json!({"desk": 1}))]),
            read(1, None, 16, &[seen("v-5", "UPDATE", 3, json!({"ipad": 3, "desk": 1}))]),
        ],
    }
}

/// Operations of a priority queue: dependencies, a deadline, a sum that both sides add to, a decision for a person.
pub(crate) fn prism() -> App {
    let operation = |id: &str, kind: &str, minute: i64, payload: Value, dependencies: &[&str]| {
        json!({"id": id, "type": kind, "priority": 2, "payload": payload, "created_at": at(minute), "deadline": null, "retry_count": 0,
            "max_retries": 5, "dependencies": dependencies, "conflict_resolution_strategy": "semantic", "network_requirements": {}, "scope": "site:a"})
    };
    let read = |number: u8, minute: i64, operations: &[Value]| {
        let body = json!({"operations": operations}).to_string();
        sent(number, None, minute, prism::operations_read(body.as_bytes(), &device(number)).expect("an envelope"))
    };
    let mut late = operation("p-7", "tasks.create", 6, json!({"id": "late", "name": "x"}), &[]);
    late["deadline"] = at(5).into();
    App {
        name: "prism",
        scopes: &["site:a"],
        policies: policies(PRISM),
        sent: vec![
            read(1, 0, &[operation("p-1", "work_orders.create", 0, json!({"id": "w", "hours": 1, "status": "done"}), &[])]),
            read(1, 1, &[operation("p-2", "work_orders.update", 1, json!({"id": "w", "version": 1, "hours": 3}), &["p-1"])]),
            read(2, 2, &[operation("p-3", "work_orders.update", 1, json!({"id": "w", "version": 1, "hours": 2}), &[])]),
            read(2, 3, &[operation("p-4", "work_orders.update", 3, json!({"id": "w", "version": 3, "status": "draft"}), &[])]),
            read(2, 4, &[operation("p-5", "tasks.update", 4, json!({"id": "t", "name": "b"}), &["p-6"])]),
            read(
                2,
                5,
                &[
                    operation("p-6", "tasks.create", 4, json!({"id": "t", "name": "a"}), &[]),
                    operation("p-5", "tasks.update", 4, json!({"id": "t", "name": "b"}), &["p-6"]),
                ],
            ),
            read(1, 6, &[late]),
            read(1, 7, &[operation("p-8", "decisions.create", 7, json!({"id": "d", "name": "a"}), &[])]),
            read(2, 8, &[operation("p-9", "decisions.put", 8, json!({"id": "d", "name": "b"}), &[])]),
            read(
                2,
                9,
                &[
                    operation("p-10", "permits.create", 9, json!({"id": "m", "name": "a"}), &[]),
                    operation("p-11", "permits.delete", 9, json!({"id": "m"}), &["p-10"]),
                ],
            ),
        ],
    }
}
