//! Reads what few intents and few batches say beside what all of them do: bases by content, patches, commands, dependencies,
//! groups, and the terms of a batch as a whole.

use serde_json::Value;
use tidewatch_domain::ids::{ClientId, Epoch, GroupName, OperationId, Version};
use tidewatch_domain::policy::ConflictWish;
use tidewatch_domain::sync::{
    Base, BatchTerms, Body, Command, DEPENDS_ON_MAX, Intent, MERGES_MAX, MutationOp, PATCH_OPS_MAX, RESOLVES_MAX, SinceAsked,
    Terms, VECTOR_MAX, VectorClock,
};

use crate::checksum::{hash_read, written};
use crate::limits::INTEGER_MAX;
use crate::members::Members;
use crate::problem::{Code, FieldError};

type Read<T> = Result<T, FieldError>;

/// Longest name of a branch.
const BRANCH_BYTES_MAX: usize = 32;
/// Longest name of a conflict.
const CONFLICT_BYTES_MAX: usize = 32;
/// Longest name of a strategy.
const STRATEGY_BYTES_MAX: usize = 64;
/// Longest name of a command.
const COMMAND_BYTES_MAX: usize = 64;

/// The terms of a batch.
pub(super) fn batch_terms(members: &Members<'_>) -> Read<BatchTerms> {
    let strict = match members.text("sequencing", 16)? {
        None | Some("relaxed") => false,
        Some("strict") => true,
        Some(_) => return Err(members.fault("sequencing", "must be relaxed or strict")),
    };
    let atomic = members.flag("atomic")?.unwrap_or(false);
    let since = since_read(members)?;
    if since.is_some() && !atomic {
        return Err(members.fault("since", "belongs to a batch with `atomic`"));
    }
    Ok(BatchTerms { atomic, since, strict, ack_floor: members.integer("ack_floor", 0..=INTEGER_MAX)?, ..BatchTerms::default() })
}

fn since_read(members: &Members<'_>) -> Read<Option<SinceAsked>> {
    let epoch = members.text("epoch", 16)?;
    let epoch =
        epoch.map(|text| Epoch::parse(text).ok_or_else(|| members.fault("epoch", "must be 16 hex digits"))).transpose()?;
    let text = match members.value("since") {
        None => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(_)) => members.integer("since", 0..=INTEGER_MAX)?.unwrap_or_default().to_string(),
        Some(_) => return Err(members.fault("since", "must be a cursor, or a number together with `epoch`")),
    };
    Ok(Some(SinceAsked { text, epoch }))
}

/// The base of an intent: at most one way to name it.
pub(super) fn base_read(members: &Members<'_>) -> Read<Base> {
    const NAMES: [&str; 3] = ["base_version", "base_operation_id", "base_checksum"];
    let mut named = NAMES.into_iter().filter(|name| members.value(name).is_some());
    let (first, second) = (named.next(), named.next());
    if let (Some(first), Some(second)) = (first, second) {
        return Err(members.fault(second, format!("and {first} exclude each other")));
    }
    if let Some(version) = members.integer("base_version", 1..=INTEGER_MAX)? {
        return Ok(Base::Version(Version(version)));
    }
    if let Some(operation) = members.text("base_operation_id", 128)? {
        let operation = OperationId::parse(operation);
        return operation.map(Base::Operation).map_err(|error| members.fault("base_operation_id", error.to_string()));
    }
    match members.text("base_checksum", 128)? {
        None => Ok(Base::Unknown),
        Some(text) => {
            let hash = hash_read(text).ok_or_else(|| members.fault("base_checksum", "must be `sha256:` and 64 hex digits"))?;
            Ok(Base::Checksum(hash))
        }
    }
}

/// What an intent does, the member of the payload that is kept as it is, and what else it asks for.
type Payload = (MutationOp, Option<&'static str>, Option<Box<Terms>>);

/// What an intent does, and with which payload: exactly one of `fields`, `json_patch` and `args`, as the operation takes it. Of the payload
/// that is kept as it is, only the name of its member.
pub(super) fn payload_read(members: &Members<'_>) -> Read<Payload> {
    let op = members.text_required("op", 32)?;
    let command = op == "command";
    let known = if command { Some(MutationOp::Update) } else { MutationOp::parse(op) };
    let op = known.ok_or_else(|| members.fault("op", "must be create, update, put, delete, crdt or command"))?;
    let takes = match (command, op) {
        (true, _) => &["args"][..],
        (_, MutationOp::Update) => &["fields", "json_patch"],
        (_, MutationOp::Crdt) => &["crdt"],
        (_, MutationOp::Create | MutationOp::Put | MutationOp::Delete) => &["fields"],
    };
    let given: Vec<&str> =
        ["fields", "json_patch", "args", "crdt"].into_iter().filter(|name| members.value(name).is_some()).collect();
    if let Some(foreign) = given.iter().find(|name| !takes.contains(name)) {
        return Err(members.fault(foreign, "does not go with this `op`"));
    }
    if let [first, second, ..] = given[..] {
        return Err(members.fault(second, format!("and {first} exclude each other")));
    }
    let mut terms = terms_read(members)?;
    let carried = match (op, members.map("fields")?) {
        (MutationOp::Crdt, _) => members.map("crdt")?.map(|_| Some("crdt")).ok_or_else(|| members.missing("crdt"))?,
        (MutationOp::Delete, Some(fields)) if !fields.is_empty() => {
            return Err(members.fault("fields", "must be absent on a delete"));
        }
        (MutationOp::Delete, _) => None,
        (_, Some(_)) => Some("fields"),
        (_, None) => {
            terms.patch = members.list("json_patch", PATCH_OPS_MAX)?.map(<[Value]>::to_vec);
            terms.command = members.map("args")?.map(|args| command_read(members, args)).transpose()?;
            if terms.patch.is_none() && terms.command.is_none() {
                return Err(members.missing(takes[0]));
            }
            None
        }
    };
    Ok((op, carried, (terms != Terms::default()).then(|| Box::new(terms))))
}

fn command_read(members: &Members<'_>, args: &Body) -> Read<Command> {
    let mut args = args.clone();
    let name = args.remove("name");
    let name = name.as_ref().and_then(Value::as_str).filter(|name| (1..=COMMAND_BYTES_MAX).contains(&name.len()));
    let name = name.ok_or_else(|| members.fault("args.name", "must name a command of the collection"))?;
    Ok(Command { name: name.to_owned(), args })
}

fn terms_read(members: &Members<'_>) -> Read<Terms> {
    let depends_on = members.texts("depends_on", DEPENDS_ON_MAX, 64)?;
    let operation = |(at, text): (usize, String)| {
        OperationId::parse(text).map_err(|error| members.fault(&format!("depends_on[{at}]"), error.to_string()))
    };
    let group = members.text("group", 128)?.map(GroupName::parse).transpose();
    let base_body = members.map("base")?.cloned();
    if let (Some(body), Some(claimed)) = (&base_body, members.text("base_checksum", 128)?) {
        let hash = tidewatch_domain::digest::content_hash(Some(&tidewatch_domain::json::body_text(body)));
        if hash_read(claimed).map(|claimed| written(&claimed)) != Some(written(&hash)) {
            return Err(members.fault("base_checksum", "does not fit `base`"));
        }
    }
    Ok(Terms {
        depends_on: depends_on.into_iter().enumerate().map(operation).collect::<Result<_, _>>()?,
        group: group.map_err(|error| members.fault("group", error.to_string()))?,
        base_body,
        merges: members.texts("merges", MERGES_MAX, BRANCH_BYTES_MAX)?,
        resolves: resolves_read(members)?,
        wish: members.text("conflict_strategy", STRATEGY_BYTES_MAX)?.and_then(ConflictWish::parse),
        vector: members.map("vector_clock")?.map(|clock| vector_read(members, clock)).transpose()?,
        ..Terms::default()
    })
}

/// The number of a conflict: what follows `cf_`.
#[must_use]
pub fn conflict_read(text: &str) -> Option<i64> {
    let digits = text.strip_prefix("cf_").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|id| *id > 0)
}

fn resolves_read(members: &Members<'_>) -> Read<Vec<i64>> {
    let named = members.texts("resolves", RESOLVES_MAX, CONFLICT_BYTES_MAX)?;
    if !named.is_empty() && members.value("crdt").is_some() {
        return Err(members.fault("resolves", "does not go with `crdt`: an operation that merges by itself settles nothing"));
    }
    let read = |(at, text): (usize, String)| {
        conflict_read(&text).ok_or_else(|| members.fault(&format!("resolves[{at}]"), "must be the `conflict_id` of an answer"))
    };
    named.into_iter().enumerate().map(read).collect()
}

/// `{"<device>": <count>, …}`: at least one entry.
fn vector_read(members: &Members<'_>, clock: &Body) -> Read<VectorClock> {
    if !(1..=VECTOR_MAX).contains(&clock.len()) {
        return Err(members.fault("vector_clock", format!("must have 1 to {VECTOR_MAX} entries")));
    }
    let entry = |(node, count): (&String, &Value)| {
        let named = OperationId::parse(node.clone()).is_ok();
        let count = count.as_i64().filter(|count| (0..=INTEGER_MAX).contains(count));
        count.filter(|_| named).map(|count| (node.clone(), count)).ok_or_else(|| {
            members.fault("vector_clock", "must hold whole numbers under names of 1 to 64 characters of A-Z a-z 0-9 . _ : -")
        })
    };
    clock.iter().map(entry).collect()
}

/// The signature of an intent, as the wire has it: 64 bytes in base64.
pub(super) fn signature_read(members: &Members<'_>) -> Read<Option<[u8; 64]>> {
    let Some(text) = members.text("sig", 128)? else { return Ok(None) };
    let bytes = crate::keys::bytes_read(text)
        .ok_or_else(|| members.fault("sig", "must be the 64 bytes of an Ed25519 signature, in base64"))?;
    Ok(Some(bytes))
}

/// The device that made an intent, when it is another one than that of the batch.
pub(super) fn author_read(members: &Members<'_>, sender: &ClientId) -> Read<Option<ClientId>> {
    let author = members.text("client_id", 64)?.map(ClientId::parse).transpose();
    let author = author.map_err(|error| members.fault("client_id", error.to_string()))?;
    Ok(author.filter(|author| author != sender))
}

/// Refuses the intents of a group that does not stand together: nobody could tell where it ends.
pub(super) fn split_groups_refuse(intents: &mut [Intent]) {
    let mut ended: Vec<GroupName> = Vec::new();
    let mut split: Vec<GroupName> = Vec::new();
    for pair in intents.windows(2) {
        let (before, after) = (pair[0].group(), pair[1].group());
        if before == after && pair[0].author() == pair[1].author() {
            continue;
        }
        ended.extend(before.cloned());
        if let Some(again) = after.filter(|name| ended.contains(name) && !split.contains(name)) {
            split.push(again.clone());
        }
    }
    for intent in intents.iter_mut().filter(|intent| intent.group().is_some_and(|name| split.contains(name))) {
        *intent = intent.refused(Code::SchemaInvalid.intent("group: its intents must be consecutive, and of one device"));
    }
}
