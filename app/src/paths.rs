//! The only place with a path of the console. Each path has a builder here; pages, forms and tests use nothing else.

use std::fmt::Write as _;

use tidewatch_domain::drain::{ItemFilter, ItemOutcome, Selection};
use tidewatch_domain::fleet::Target;
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::time::TimeRange;

/// Overview.
pub const OVERVIEW: &str = "/";
/// Device table.
pub const DEVICES: &str = "/devices";
/// What the fleet still has to send: failures by signature.
pub const OUTBOX: &str = "/outbox";
/// The same, entry by entry.
pub const OUTBOX_ENTRIES: &str = "/outbox/entries";
/// The same, by device.
pub const OUTBOX_DEVICES: &str = "/outbox/devices";
/// The same, by collection.
pub const OUTBOX_COLLECTIONS: &str = "/outbox/collections";
/// Drains at work and those that ended.
pub const OUTBOX_JOBS: &str = "/outbox/jobs";
/// Runs that purged what retention does not keep.
pub const OUTBOX_PURGES: &str = "/outbox/purges";
/// Where a correction is written and tried before anything is frozen.
pub const DRAIN_PATCH: &str = "/outbox/drain/patch";
/// Form: freezes what was picked.
pub const DRAIN_FREEZE: &str = "/console/drain/freeze";
/// Form: says what becomes of those that wait behind.
pub const DRAIN_CHOOSE: &str = "/console/drain/choose";
/// Form: submits a frozen set.
pub const DRAIN_START: &str = "/console/drain/start";
/// Form: takes a step with a drain.
pub const DRAIN_STEP: &str = "/console/drain/step";
/// Form: freezes what failed in a drain.
pub const DRAIN_AGAIN: &str = "/console/drain/again";
/// Commands, one by one; the list is that of their device.
pub const COMMANDS: &str = "/commands";
/// Form: sends a device a command.
pub const COMMAND_SEND: &str = "/console/commands/send";
/// Form: calls a command back.
pub const COMMAND_CANCEL: &str = "/console/commands/cancel";
/// Log explorer. Not `/changes`: that is the feed of devices, which the protocol puts at the root.
pub const CHANGES: &str = "/log";
/// Search for an operation by its id.
pub const OPERATIONS: &str = "/operations";
/// Exports of the lists.
pub const EXPORT: &str = "/export";
/// Manifests of exported files.
pub const EXPORT_MANIFESTS: &str = "/export/manifests";
/// Audit log.
pub const AUDIT: &str = "/audit";
/// Every word and sign.
pub const LEGEND: &str = "/legend";
/// The palette as a page.
pub const PALETTE: &str = "/palette";
/// Sign-in form.
pub const SIGN_IN: &str = "/sign-in";
/// Stream of hints that something changed.
pub const EVENTS: &str = "/console/events";

/// A query string built pair by pair. Pairs without a value are left out, so that defaults never show in a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    text: String,
}

impl Query {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair; an empty value adds nothing.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.text.push(if self.text.is_empty() { '?' } else { '&' });
            self.text.push_str(key);
            self.text.push('=');
            self.text.push_str(&encode(value));
        }
        self
    }

    /// Adds a pair when there is a value.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<&str>) -> Self {
        self.with(key, value.unwrap_or_default())
    }

    /// The path with this query behind it.
    #[must_use]
    pub fn on(&self, path: &str) -> String {
        format!("{path}{}", self.text)
    }
}

/// Percent-encodes what a query or a path segment may not hold. Keeps `:`, `,`, `*` and `/`, which the filter language uses and URLs allow there.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b',' | b'*' | b'/' => {
                out.push(char::from(byte))
            }
            _ => write!(out, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    out
}

/// Undoes [`encode`]; `+` is a space, as forms send it. Broken escapes stay as they are.
#[must_use]
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match hex_pair(tail) {
                Some(decoded) => {
                    out.push(decoded);
                    rest = &tail[2..];
                }
                None => out.push(b'%'),
            },
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let pair = std::str::from_utf8(bytes.get(..2)?).ok()?;
    u8::from_str_radix(pair, 16).ok()
}

/// Value of a key in a raw query string.
#[must_use]
pub fn query_value(query: &str, key: &str) -> Option<String> {
    query.trim_start_matches('?').split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name) == key).then(|| decode(value))
    })
}

/// Every value of a key of a raw query string, joined by spaces: how a filter bar adds a term to the filter it was given.
#[must_use]
pub fn query_joined(query: &str, key: &str) -> String {
    let pairs = query.trim_start_matches('?').split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let values: Vec<String> =
        pairs.filter(|(name, _)| decode(name) == key).map(|(_, value)| decode(value).trim().to_owned()).collect();
    values.into_iter().filter(|value| !value.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Overview over a range, compared with the range before or not.
#[must_use]
pub fn overview(range: TimeRange, compare: bool) -> String {
    let range = if range == TimeRange::default() { "" } else { range.as_str() };
    Query::new().with("range", range).with("compare", if compare { "1" } else { "" }).on(OVERVIEW)
}

/// Device table with a filter.
#[must_use]
pub fn devices(filter: &str) -> String {
    Query::new().with("filter", filter).on(DEVICES)
}

/// One device.
#[must_use]
pub fn device(client_id: &ClientId) -> String {
    format!("{DEVICES}/{client_id}")
}

/// Outbox of a device.
#[must_use]
pub fn device_outbox(client_id: &ClientId) -> String {
    format!("{DEVICES}/{client_id}/outbox")
}

/// Metrics of a device.
#[must_use]
pub fn device_metrics(client_id: &ClientId) -> String {
    format!("{DEVICES}/{client_id}/metrics")
}

/// Export of a list as a file: `list` is `devices`, `outbox`, `outbox-devices`, `command-logs`, `changes` or `audit`, `kind` the file's ending, `query` its state with the `?`.
#[must_use]
pub fn export(list: &str, kind: &str, query: &str) -> String {
    format!("{EXPORT}/{list}.{kind}{query}")
}

/// The manifest of an exported file: `key` is the export or the SHA-256 of the file.
#[must_use]
pub fn export_manifest(key: &str) -> String {
    format!("{EXPORT_MANIFESTS}/{key}")
}

/// Log explorer with a filter.
#[must_use]
pub fn changes(filter: &str) -> String {
    Query::new().with("filter", filter).on(CHANGES)
}

/// A group of failures in the outbox.
#[must_use]
pub fn outbox_group(id: &str) -> String {
    format!("{OUTBOX}/groups/{}", encode(id))
}

/// One entry of one device in the outbox.
#[must_use]
pub fn outbox_entry(client_id: &ClientId, operation_id: &str) -> String {
    format!("{OUTBOX}/entries/{client_id}/{}", encode(operation_id))
}

/// A frozen set: what a drain would do, and the form that starts it.
#[must_use]
pub fn drain_set(set: &str) -> String {
    format!("{OUTBOX}/drain/{}", encode(set))
}

/// The entries of a frozen set.
#[must_use]
pub fn drain_set_items(set: &str) -> String {
    format!("{}/items", drain_set(set))
}

/// A drain.
#[must_use]
pub fn drain_job(id: &str) -> String {
    format!("{OUTBOX_JOBS}/{}", encode(id))
}

/// The entries of a drain, in one outcome or in all.
#[must_use]
pub fn drain_items(id: &str, outcome: Option<ItemOutcome>) -> String {
    Query::new().with_some("outcome", outcome.map(ItemOutcome::as_str)).on(&format!("{}/items", drain_job(id)))
}

/// Those of one outcome and one code.
#[must_use]
pub fn drain_reason(id: &str, outcome: ItemOutcome, code: &str) -> String {
    Query::new().with("outcome", outcome.as_str()).with("code", code).on(&format!("{}/items", drain_job(id)))
}

/// The same entries as a file of a kind, `csv` or `ndjson`.
#[must_use]
pub fn drain_export(id: &str, filter: &ItemFilter, kind: &str) -> String {
    Query::new()
        .with("job", id)
        .with_some("outcome", filter.outcome().map(ItemOutcome::as_str))
        .with_some("code", filter.code())
        .on(&format!("{EXPORT}/drain-items.{kind}"))
}

/// The page that writes a correction for a selection, with the correction as it stands.
#[must_use]
pub fn drain_patch(selection: &Selection, patch: &str) -> String {
    let query = if let Selection::Entries(entries) = selection {
        entries.iter().fold(Query::new(), |query, (client_id, operation)| query.with("entry", &entry_key(client_id, operation)))
    } else if let Selection::Matching { signature, filter } = selection {
        Query::new().with("all", "1").with_some("signature", signature.as_deref()).with("filter", filter)
    } else if let Selection::Failed { job, code } = selection {
        Query::new().with("job", job).with_some("code", code.as_deref())
    } else {
        Query::new()
    };
    query.with("patch", patch).on(DRAIN_PATCH)
}

/// An entry as a form and an address name it.
#[must_use]
pub fn entry_key(client_id: &ClientId, operation_id: &str) -> String {
    format!("{client_id}/{operation_id}")
}

/// Commands of a device.
#[must_use]
pub fn device_commands(client_id: &ClientId) -> String {
    format!("{DEVICES}/{client_id}/commands")
}

/// One command.
#[must_use]
pub fn command(id: &str) -> String {
    format!("{COMMANDS}/{}", encode(id))
}

/// The log lines that a command brought, as a file.
#[must_use]
pub fn command_logs_export(id: &str) -> String {
    export("command-logs", "ndjson", &Query::new().with("command", id).on(""))
}

/// Trace of an operation.
#[must_use]
pub fn trace(operation_id: &str) -> String {
    format!("{OPERATIONS}/{}", encode(operation_id))
}

/// Audit log with a filter.
#[must_use]
pub fn audit(filter: &str) -> String {
    Query::new().with("filter", filter).on(AUDIT)
}

/// The palette as a page, with what was typed.
#[must_use]
pub fn palette(typed: &str) -> String {
    Query::new().with("q", typed).on(PALETTE)
}

/// Sign-in form that leads back to `next`; `notice` is a key of `pages::sign_in`.
#[must_use]
pub fn sign_in(next: &str, notice: &str) -> String {
    let next = local(next);
    Query::new().with("next", if next == OVERVIEW { "" } else { &next }).with("notice", notice).on(SIGN_IN)
}

/// Where a work item or a recommendation leads.
#[must_use]
pub fn target(target: &Target) -> String {
    match target {
        Target::Devices(filter) => devices(filter),
        Target::Device(client_id) => device(client_id),
        Target::Changes(filter) => changes(filter),
        Target::Trace(operation_id) => trace(operation_id),
        Target::Failures(group) => outbox_group(group),
        Target::Drain(id) => drain_job(id),
        Target::Console => format!("{OVERVIEW}#console"),
    }
}

/// The path if it is one of this origin, else the overview: a link may not lead a person to another site after sign-in.
#[must_use]
pub fn local(next: &str) -> String {
    let inside = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|byte| byte > 0x20 && byte < 0x7f);
    let loops = next.starts_with(SIGN_IN);
    if inside && !loops { next.to_owned() } else { OVERVIEW.to_owned() }
}

#[cfg(test)]
mod tests;
