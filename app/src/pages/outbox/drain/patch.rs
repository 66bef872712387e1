//! A correction: written as JSON Patch, tried on some of the entries that it is for, then frozen with them. Trying is a read: what was
//! written is in the address, and nothing is kept.

use http::StatusCode;
use leptos::prelude::*;
use serde_json::{Value, json};
use tidewatch_domain::drain::{DrainAction, ItemFilter, ItemOutcome, Selection};
use tidewatch_domain::fleet::{OutboxRow, Tone};
use tidewatch_domain::page::{PAGE_ROWS_DEFAULT, Position, Total};
use tidewatch_domain::patch::Convert;
use tidewatch_domain::role::{Action, Role};
use tidewatch_service::{Error, Result};

use super::dialog::{SelectionFields, back};
use super::diff::{Trial, Trials, tried};
use super::field::{FieldForm, OneField};
use super::{crumbs, patch_text, words};
use crate::context::{Console, console};
use crate::error::answer_status;
use crate::format::{count, counted};
use crate::icon::IconName;
use crate::pages::loaded;
use crate::pages::may::{Deed, refusal};
use crate::pages::outbox::notice;
use crate::pages::outbox::selection::Picked;
use crate::pages::params::Params;
use crate::pages::trace::shape::Shape;
use crate::paths;
use crate::shell::{Frame, Section};
use crate::ui::{Banner, Panel};

/// Entries that a correction is tried on.
const TRIED: u32 = 5;
/// Verbs of JSON Patch, and the one that corrections have beside them.
const OPERATIONS: [&str; 7] = ["add", "remove", "replace", "move", "copy", "test", "convert"];
/// Most characters of a correction.
pub const PATCH_CHARS_MAX: usize = 8_000;

/// Reads what somebody wrote: a list of operations.
///
/// # Errors
/// What is wrong, in words.
pub fn read(text: &str) -> std::result::Result<Value, String> {
    if text.chars().count() > PATCH_CHARS_MAX {
        return Err(format!("Write at most {} characters.", count(PATCH_CHARS_MAX as u64)));
    }
    let value: Value = serde_json::from_str(text)
        .map_err(|error| format!("This is not JSON: line {}, column {}.", error.line(), error.column()))?;
    match value.as_array() {
        Some(operations) if operations.is_empty() => Err("Write at least one operation.".to_owned()),
        Some(operations) if operations.iter().all(Value::is_object) => match operations.iter().enumerate().find_map(wrong) {
            Some(words) => Err(words),
            None => Ok(value),
        },
        _ => Err("Write a list of operations: [{\"op\": …, \"path\": …}].".to_owned()),
    }
}

/// What is wrong with an operation: its verb, or where it points.
fn wrong((at, operation): (usize, &Value)) -> Option<String> {
    let nth = at + 1;
    let verb = operation["op"].as_str().unwrap_or_default();
    if !OPERATIONS.contains(&verb) {
        return Some(format!("Operation {nth}: “op” is one of {}.", OPERATIONS.join(", ")));
    }
    let points = |name: &str| operation[name].as_str().is_some_and(|path| path.is_empty() || path.starts_with('/'));
    let wanted: &[&str] = if matches!(verb, "move" | "copy") { &["path", "from"] } else { &["path"] };
    let missing = wanted.iter().find(|name| !points(name));
    let to = (verb == "convert" && Convert::read(operation).is_none())
        .then(|| format!("Operation {nth}: “convert” has a path and “to”, which is number, boolean or string."));
    missing.map(|name| format!("Operation {nth}: “{name}” is a path that starts with a slash, like /reading.")).or(to)
}

/// A correction to start from: the field that the refusal names, or the first one.
#[must_use]
pub fn suggestion(shape: Option<&str>, message: Option<&str>) -> String {
    let one = OneField::fresh(shape, message);
    if let (true, Ok(patch)) = (one.converts(), one.patch()) {
        return patch_text(Some(&patch));
    }
    let shape: Option<Value> = shape.and_then(|shape| serde_json::from_str(shape).ok());
    let fields: Vec<String> =
        shape.as_ref().and_then(Value::as_object).map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
    let named = message.and_then(|message| {
        let words: Vec<&str> = message.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).collect();
        fields.iter().find(|field| words.contains(&field.as_str()))
    });
    let field = named.or(fields.first()).map_or("field", String::as_str);
    patch_text(Some(&json!([{ "op": "replace", "path": format!("/{field}"), "value": 0 }])))
}

/// Writing a correction.
#[component]
pub fn DrainPatchPage() -> impl IntoView {
    let params = Params::here();
    loaded(async move {
        let selection = Picked::here(&params).selection()?;
        let Console { service, cx, .. } = console();
        let (rows, total) = some_of(&selection).await?;
        let first = rows.first().map(|row| row.entry.clone());
        let shape = match &first {
            Some(entry) => service.operation_trace(&cx, &entry.operation_id).await.ok().and_then(|trace| trace.shape),
            None => None,
        };
        let message = first.and_then(|entry| entry.error).and_then(|error| error.message);
        let mut one = OneField::fresh(shape.as_deref(), message.as_deref());
        let written = match one.read(&params).then(|| one.patch()) {
            Some(Ok(patch)) => Some(patch_text(Some(&patch))),
            Some(Err(words)) => {
                one.wrong = Some(words);
                None
            }
            None => params.one("patch").map(str::to_owned),
        };
        let patch = written.as_deref().map(read);
        if matches!(patch, Some(Err(_))) || one.wrong.is_some() {
            answer_status(StatusCode::BAD_REQUEST);
        }
        let trials = match &patch {
            Some(Ok(patch)) => tried(rows, Some(patch)).await,
            Some(Err(_)) => Vec::new(),
            None => tried(rows, None).await,
        };
        let text = written.unwrap_or_else(|| suggestion(shape.as_deref(), message.as_deref()));
        let page = PatchState { selection, total, one, text, patch, problem: params.one("problem").map(str::to_owned) };
        let role = cx.actor.role();
        Ok(
            view! { <Frame title="Patch and requeue" section=Section::Outbox crumbs=crumbs()><PatchView page trials shape role/></Frame> },
        )
    })
}

/// Some entries of a selection, and how many there are.
async fn some_of(selection: &Selection) -> Result<(Vec<OutboxRow>, Total)> {
    let Console { service, cx, .. } = console();
    match selection {
        Selection::Matching { signature, filter } => {
            let page = service.outbox_list(&cx, signature.as_deref(), filter, &Position::Start, TRIED).await?;
            Ok((page.rows, page.total))
        }
        Selection::Entries(entries) => {
            let mut rows = Vec::new();
            for (client_id, operation) in entries.iter().take(TRIED as usize) {
                match service.outbox_entry(&cx, client_id, operation).await {
                    Ok(view) => rows.push(view.row),
                    Err(Error::NotFound(_)) => {}
                    Err(other) => return Err(other),
                }
            }
            Ok((rows, Total::Exact(entries.len() as u64)))
        }
        Selection::Failed { job, code } => failed_of(job, code.as_deref()).await,
    }
}

/// Some of what failed in a drain, and how many did.
async fn failed_of(job: &str, code: Option<&str>) -> Result<(Vec<OutboxRow>, Total)> {
    let Console { service, cx, .. } = console();
    let view = service.drain_job(&cx, job).await?;
    let meant = |other: &str| code.is_none_or(|code| code == other);
    let failed = view.reasons.iter().filter(|reason| reason.outcome == ItemOutcome::Failed && meant(&reason.code));
    let total = failed.map(|reason| reason.entries).sum();
    let items =
        service.drain_job_items(&cx, job, &ItemFilter::of(ItemOutcome::Failed), &Position::Start, PAGE_ROWS_DEFAULT).await?;
    let mut rows = Vec::new();
    for item in items.rows.iter().filter(|item| meant(item.code.as_deref().unwrap_or_default())).take(TRIED as usize) {
        match service.outbox_entry(&cx, &item.client_id, &item.operation_id).await {
            Ok(view) => rows.push(view.row),
            Err(Error::NotFound(_)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok((rows, Total::Exact(total)))
}

/// State of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchState {
    /// Which entries.
    pub selection: Selection,
    /// How many.
    pub total: Total,
    /// The form for one field.
    pub one: OneField,
    /// What stands in the editor.
    pub text: String,
    /// What was read, once something was written.
    pub patch: Option<std::result::Result<Value, String>>,
    /// Why a form led back.
    pub problem: Option<String>,
}

/// The page inside its frame.
#[component]
pub fn PatchView(
    /// State of the page.
    page: PatchState,
    /// What the engine would answer.
    trials: Vec<Trial>,
    /// Types of the fields of the first entry, where they are known.
    shape: Option<String>,
    /// Role of the reader.
    role: Option<Role>,
) -> impl IntoView {
    let entries = match page.total {
        Total::Exact(n) => counted(n, "entry", "entries"),
        Total::AtLeast(n) => format!("more than {}", counted(n, "entry", "entries")),
        Total::Among { found, all: true, .. } => counted(found, "entry", "entries"),
        Total::Among { found, all: false, .. } => format!("{} or more", counted(found, "entry", "entries")),
    };
    let banner = page.problem.as_deref().and_then(notice::words);
    let unread = matches!(page.patch, Some(Err(_)));
    let selected = words::selection(&page.selection);
    view! {
        <div class="page-head"><div><h1>{format!("Patch and requeue {entries}")}</h1><p>"Say what one field becomes, or write the correction; try it, then freeze the entries that it is for. The originals are kept as their devices wrote them."</p></div></div>
        {banner.map(|(tone, title, text)| view! { <Banner tone title text/> })}
        <div class="cols cols-main-side">
            <div class="stack">
                <Editor page=page.clone()/>
                {(!unread).then(|| view! { <Trials trials/> })}
                <Go page role/>
            </div>
            <aside class="stack" aria-label="What it is for">
                <Panel id="h-selected" title="Selected"><div class="panel-body"><p>{selected}</p></div></Panel>
                {shape.map(|json| view! { <Panel id="h-shape" title="Fields" note="of the first one; types, no values"><Shape json/></Panel> })}
            </aside>
        </div>
    }
    .into_any()
}

/// The selection as fields of a form that asks.
pub(super) fn asked(selection: &Selection) -> AnyView {
    match selection {
        Selection::Entries(entries) => entries
            .iter()
            .map(|(client_id, operation)| view! { <input type="hidden" name="entry" value=paths::entry_key(client_id, operation)/> })
            .collect_view()
            .into_any(),
        matching => view! { <SelectionFields selection=matching.clone()/> }.into_any(),
    }
}

#[component]
fn Editor(page: PatchState) -> impl IntoView {
    let wrong = page.patch.clone().and_then(std::result::Result::err);
    let invalid = wrong.is_some().then_some("true");
    let away = back(&page.selection);
    let keep = if page.total == Total::Exact(1) { "Keep it as it is" } else { "Keep them as they are" };
    view! {
        <Panel id="h-editor" title="Correction" note="JSON Patch: add, remove, replace, move, copy, test; and convert">
            <FieldForm one=page.one selection=page.selection.clone()/>
            <form class="panel-body grid" method="get" action=paths::DRAIN_PATCH>
                {asked(&page.selection)}
                <label class="field">
                    <span>"Operations over the fields of the entry, as JSON"</span>
                    <textarea class="textarea mono" name="patch" rows="8" required maxlength=PATCH_CHARS_MAX.to_string() spellcheck="false" autocomplete="off" aria-invalid=invalid aria-describedby="patch-words">{page.text}</textarea>
                    <small id="patch-words" class:tone=invalid.is_some() data-tone=invalid.map(|_| Tone::Act.as_str())>{wrong.unwrap_or_else(|| "A path starts with a slash: /reading. “test” leaves alone the entries for which it does not hold, “convert” keeps what each says, as another type.".to_owned())}</small>
                </label>
                <div class="btn-row"><button class="btn" type="submit">"Try it"</button><a class="btn btn-quiet" href=away>{keep}</a></div>
            </form>
        </Panel>
    }
    .into_any()
}

/// The step on: freezing, once a correction was read.
#[component]
fn Go(page: PatchState, role: Option<Role>) -> impl IntoView {
    let tried = matches!(page.patch, Some(Ok(_)));
    let refused = refusal(role, Action::Drain).or_else(|| (!tried).then(|| "Try the correction first".to_owned()));
    let patch = page.patch.and_then(std::result::Result::ok).map(|patch| patch.to_string()).unwrap_or_default();
    let back = paths::drain_patch(&page.selection, &page.text);
    view! {
        <form class="go" method="post" action=paths::DRAIN_FREEZE>
            <SelectionFields selection=page.selection/>
            <input type="hidden" name="patch" value=patch/>
            <input type="hidden" name="back" value=back/>
            <p class="small faint">{(!tried).then_some("Try the correction first. ")}"Freezing writes down which entries are meant and shows the whole of it. Nothing is sent yet."</p>
            <Deed label="Freeze and go on" refused icon=IconName::Lock class="btn-primary" name="action" value=DrainAction::Patch.as_str()/>
        </form>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_correction_that_cannot_be_read_says_where() {
        assert_eq!(read("[{]").expect_err("no JSON"), "This is not JSON: line 1, column 3.");
        assert_eq!(read("[]").expect_err("empty"), "Write at least one operation.");
        assert!(read("{\"op\": \"remove\"}").expect_err("no list").starts_with("Write a list"));
        assert!(read(&"x".repeat(PATCH_CHARS_MAX + 1)).expect_err("too long").starts_with("Write at most"));
        let odd = read(r#"[{"op": "remove", "path": "/a"}, {"op": "fly", "path": "/a"}]"#).expect_err("no such verb");
        assert_eq!(odd, "Operation 2: “op” is one of add, remove, replace, move, copy, test, convert.");
        let odd = read(r#"[{"op": "convert", "path": "/a", "to": "date"}]"#).expect_err("no such kind");
        assert_eq!(odd, "Operation 1: “convert” has a path and “to”, which is number, boolean or string.");
        assert!(read(r#"[{"op": "convert", "path": "/a", "to": "number"}]"#).is_ok());
        let lost = read(r#"[{"op": "move", "path": "/a", "from": "b"}]"#).expect_err("points nowhere");
        assert_eq!(lost, "Operation 1: “from” is a path that starts with a slash, like /reading.");
        assert!(read(r#"[{"op": "remove", "path": "/reading"}]"#).is_ok());
    }

    #[test]
    fn a_suggestion_names_the_field_that_the_refusal_names() {
        let shape = Some(r#"{"note":"string","reading":"string"}"#);
        assert!(suggestion(shape, Some("reading: expected number")).contains("\"/reading\""));
        assert!(suggestion(shape, Some("it is wrong")).contains("\"/note\""));
        assert!(suggestion(shape, Some("field `reading` must hold a value of type number")).contains("\"convert\""));
        assert!(read(&suggestion(None, None)).is_ok(), "a suggestion can always be read");
    }
}
