//! Bodies of the drain routes: every member is known, and named when it is wrong.

use serde::Deserialize;
use serde_json::Value;
use tidewatch_domain::drain::{
    CANARY_ENTRIES, CANARY_FROM_ENTRIES, Dependants, DrainAction, DrainOrder, RATE_MAX, SELECTED_MAX, Selection,
};
use tidewatch_domain::ids::ClientId;
use tidewatch_protocol::{Code, FieldError, Problem, members::Members, strict};
use tidewatch_service::drain::DrainSubmit;
use tidewatch_service::{Cx, Service};

use crate::api::error::{Answer, Refusal};

/// Which entries are meant: everything that a list shows, or these, or what failed in a job.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct SelectionBody {
    /// Filter of the list.
    filter: Option<String>,
    /// Group of failures that the list is of.
    group: Option<String>,
    /// Signature of such a group, in place of its id.
    signature: Option<String>,
    /// These entries, 5,000 at most.
    entries: Option<Vec<EntryName>>,
    /// What failed in this job.
    failed: Option<String>,
    /// With `failed`: only with this code.
    code: Option<String>,
}

/// One entry.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct EntryName {
    /// Device.
    client_id: String,
    /// Operation.
    operation_id: String,
}

/// What is to be frozen.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct PreviewBody {
    /// `retry`, `hold`, `skip`, `patch`, `to_conflict`, `quarantine`, `discard` or `restore`.
    action: String,
    /// What becomes of those that wait behind: `take_along`, `hold` or `cut`. Always chosen.
    dependants: String,
    /// With `patch`: operations of RFC 6902 over the fields of the intent, or `{"op": "convert", "path", "to"}`.
    #[schema(value_type = Option<Vec<Object>>)]
    patch: Option<Vec<Value>>,
    /// Which entries.
    selection: SelectionBody,
}

/// A submission: what was seen of the frozen set.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct SubmitBody {
    /// Id of the set.
    set: String,
    /// Its entries.
    count: u64,
    /// Its hash.
    hash: String,
    /// What was selected, as for the preview.
    selection: SelectionBody,
    /// Why, 8 to 500 characters.
    reason: String,
    /// The same key is the same submission; the preview has one.
    idempotency_key: String,
    /// The count once more, where a second person has to approve.
    typed_count: Option<u64>,
    /// Entries that go ahead, 0 to 50; 5 of more than 50 entries when absent.
    canary: Option<u32>,
    /// Entries a second, at most; as fast as it goes when absent.
    rate_per_s: Option<u32>,
}

/// A remark for the history of the job.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct RemarkBody {
    /// In words, 500 characters at most.
    remark: Option<String>,
}

/// Which failures.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct RetryFailedBody {
    /// Only with this code.
    code: Option<String>,
}

/// What is to be tried.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body; it is read member by member, so that the one at fault is named")]
pub struct DryRunBody {
    /// Operations of RFC 6902 over the fields of the intent, or `{"op": "convert", "path", "to"}`; as it is when absent.
    #[schema(value_type = Option<Vec<Object>>)]
    patch: Option<Vec<Value>>,
}

/// A selection as it was sent.
pub(super) enum Chosen {
    /// Ready.
    Is(Selection),
    /// Of the group with this id.
    OfGroup { group: String, filter: String },
}

fn fault(error: FieldError) -> Refusal {
    Problem::new(Code::EnvelopeInvalid).field(error).into()
}

fn parse(body: &[u8]) -> Answer<Value> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::new(Code::JsonInvalid, "the body is not UTF-8"))?;
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    strict::parse(text).map_err(|fault| Refusal::new(Code::JsonInvalid, fault.to_string()))
}

fn known(members: &Members<'_>, names: &[&str]) -> Answer<()> {
    match members.names().find(|name| !names.contains(name)) {
        Some(name) => Err(fault(members.fault(name, "is not a member of this body"))),
        None => Ok(()),
    }
}

/// The order and the selection of a preview.
pub(super) fn preview_read(body: &[u8]) -> Answer<(DrainOrder, Chosen)> {
    let value = parse(body)?;
    let members = Members::of(&value, "").map_err(fault)?;
    known(&members, &["action", "dependants", "patch", "selection"])?;
    let action = members.text_required("action", 32).map_err(fault)?;
    let words = "must be retry, hold, skip, patch, to_conflict, quarantine, discard or restore";
    let action = DrainAction::parse(action).ok_or_else(|| fault(members.fault("action", words)))?;
    let dependants = members.text_required("dependants", 32).map_err(fault)?;
    let words = "must be take_along, hold or cut: it is always chosen";
    let dependants = Dependants::parse(dependants).ok_or_else(|| fault(members.fault("dependants", words)))?;
    let patch = members.list("patch", 256).map_err(fault)?.map(|list| Value::Array(list.to_vec()));
    Ok((DrainOrder { action, dependants, patch }, selection_read(&members)?))
}

fn selection_read(members: &Members<'_>) -> Answer<Chosen> {
    let selection = members.object("selection").map_err(fault)?.ok_or_else(|| fault(members.missing("selection")))?;
    known(&selection, &["filter", "group", "signature", "entries", "failed", "code"])?;
    let text = |name: &'static str, max| selection.text_owned(name, max).map_err(fault);
    let (filter, group, signature) = (text("filter", 2_000)?, text("group", 64)?, text("signature", 1_000)?);
    let (failed, code) = (text("failed", 64)?, text("code", 128)?);
    let entries = selection.list("entries", SELECTED_MAX).map_err(fault)?;
    let lists = filter.is_some() || group.is_some() || signature.is_some();
    match (lists, entries, failed) {
        (true, None, None) if code.is_none() => Ok(match group {
            Some(group) => Chosen::OfGroup { group, filter: filter.unwrap_or_default() },
            None => Chosen::Is(Selection::Matching { signature, filter: filter.unwrap_or_default() }),
        }),
        (false, Some(entries), None) if code.is_none() => {
            let named = entries.iter().enumerate().map(|(at, entry)| entry_read(&selection, at, entry));
            Ok(Chosen::Is(Selection::Entries(named.collect::<Answer<_>>()?)))
        }
        (false, None, Some(job)) => Ok(Chosen::Is(Selection::Failed { job, code })),
        _ => Err(fault(
            members.fault("selection", "must hold a filter or a group, or entries, or the job that failed: one of them"),
        )),
    }
}

fn entry_read(selection: &Members<'_>, at: usize, entry: &Value) -> Answer<(ClientId, String)> {
    let entry = Members::of(entry, format!("{}[{at}]", selection.path("entries"))).map_err(fault)?;
    known(&entry, &["client_id", "operation_id"])?;
    let client = entry.text_required("client_id", 64).map_err(fault)?;
    let client = ClientId::parse(client).map_err(|error| fault(entry.fault("client_id", error.to_string())))?;
    Ok((client, entry.text_required("operation_id", 64).map_err(fault)?.to_owned()))
}

/// The selection that was meant.
pub(super) async fn selection_resolve(service: &Service, cx: &Cx, chosen: Chosen) -> Answer<Selection> {
    match chosen {
        Chosen::Is(selection) => Ok(selection),
        Chosen::OfGroup { group, filter } => {
            let signature = service.outbox_group(cx, &group).await?.signature;
            Ok(Selection::Matching { signature: Some(signature), filter })
        }
    }
}

/// A submission, once its selection is known.
pub(super) fn submit_read(body: &[u8]) -> Answer<(impl FnOnce(Selection) -> DrainSubmit + use<>, Chosen)> {
    let value = parse(body)?;
    let members = Members::of(&value, "").map_err(fault)?;
    let names = ["set", "count", "hash", "selection", "reason", "idempotency_key", "typed_count", "canary", "rate_per_s"];
    known(&members, &names)?;
    let text = |name: &'static str, max| members.text_required(name, max).map(str::to_owned).map_err(fault);
    let count = |name: &'static str, max: i64| {
        let number = members.integer(name, 0..=max).map_err(fault)?;
        Ok::<_, Refusal>(number.and_then(|number| u64::try_from(number).ok()))
    };
    let entries = count("count", i64::from(u32::MAX))?.ok_or_else(|| fault(members.missing("count")))?;
    let canary = if entries > CANARY_FROM_ENTRIES { CANARY_ENTRIES } else { 0 };
    let submit = DrainSubmit {
        set: text("set", 64)?,
        count: entries,
        hash: text("hash", 64)?,
        selection: Selection::Entries(Vec::new()),
        reason: text("reason", 4_000)?,
        idempotency_key: text("idempotency_key", 128)?,
        typed_count: count("typed_count", i64::from(u32::MAX))?,
        canary: count("canary", 50)?.and_then(|n| u32::try_from(n).ok()).unwrap_or(canary),
        rate_per_s: count("rate_per_s", RATE_MAX.into())?.and_then(|n| u32::try_from(n).ok()),
    };
    let chosen = selection_read(&members)?;
    Ok((move |selection| DrainSubmit { selection, ..submit }, chosen))
}

/// A remark.
pub(super) fn remark_read(body: &[u8]) -> Answer<Option<String>> {
    let value = parse(body)?;
    let members = Members::of(&value, "").map_err(fault)?;
    known(&members, &["remark"])?;
    members.text_owned("remark", 4_000).map_err(fault)
}

/// A code of failures.
pub(super) fn retry_failed_read(body: &[u8]) -> Answer<Option<String>> {
    let value = parse(body)?;
    let members = Members::of(&value, "").map_err(fault)?;
    known(&members, &["code"])?;
    members.text_owned("code", 128).map_err(fault)
}

/// A patch to try.
pub(super) fn dry_run_read(body: &[u8]) -> Answer<Option<Value>> {
    let value = parse(body)?;
    let members = Members::of(&value, "").map_err(fault)?;
    known(&members, &["patch"])?;
    Ok(members.list("patch", 256).map_err(fault)?.map(|list| Value::Array(list.to_vec())))
}
