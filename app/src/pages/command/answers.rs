//! What became of each entry of a `drain` command: what was asked, and what the device answered.

use std::collections::HashMap;

use leptos::prelude::*;
use serde_json::Value;
use tidewatch_domain::control::{CommandKind, EntryOutcome, Order};
use tidewatch_domain::fleet::{CommandView, Tone};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::patch::TEST_NOT_MET;

use crate::format::{count, counted};
use crate::pages::outbox::drain::words;
use crate::paths;
use crate::ui::empty::Reason;
use crate::ui::table::Column;
use crate::ui::{Empty, Glyph, Id, Panel, Sign, Table};

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which.
    pub operation_id: String,
    /// What was asked.
    pub asked: &'static str,
    /// What the device answered; none before it has.
    pub outcome: Option<EntryOutcome>,
    /// Code and words of it.
    pub why: (Option<String>, Option<String>),
}

/// The entries in the order of the command, each with its answer.
#[must_use]
pub fn answers(view: &CommandView) -> Vec<Answer> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let result = view.result.as_deref().map(read).unwrap_or_default();
    let given: HashMap<&str, &Value> = result["entries"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry["operation_id"].as_str()?, entry)))
        .collect();
    let Ok(Order::Drain(orders)) = Order::read(CommandKind::Drain, &read(&view.args)) else { return Vec::new() };
    let answer = |order: &tidewatch_domain::control::EntryOrder| {
        let operation_id = order.operation_id.as_str();
        let entry = given.get(operation_id);
        let text = |name: &str| entry.and_then(|entry| entry[name].as_str()).filter(|text| !text.is_empty()).map(str::to_owned);
        Answer {
            operation_id: operation_id.to_owned(),
            asked: words::verb(order.action),
            outcome: entry.and_then(|entry| EntryOutcome::parse(entry["outcome"].as_str()?)),
            why: (text("code"), text("detail")),
        }
    };
    orders.iter().map(answer).collect()
}

fn look(outcome: Option<EntryOutcome>, code: Option<&str>) -> (&'static str, Tone, Sign) {
    match outcome {
        None => ("No answer yet", Tone::Idle, Sign::Unknown),
        Some(EntryOutcome::Ok) => ("Done", Tone::Good, Sign::Converged),
        Some(EntryOutcome::NotFound) => ("Not there", Tone::Watch, Sign::Held),
        // The correction is not meant for it, which is no refusal of what was asked.
        Some(EntryOutcome::Refused) if code == Some(TEST_NOT_MET) => ("Left alone", Tone::Idle, Sign::Held),
        Some(EntryOutcome::Refused) => ("Refused", Tone::Act, Sign::Stuck),
    }
}

/// The panel.
#[component]
pub fn Answers(
    /// The command.
    view: CommandView,
) -> impl IntoView {
    let answers = answers(&view);
    if answers.is_empty() {
        return view! { <Panel id="h-answers" title="Answers"><Empty reason=Reason::NoMatch title="Its entries cannot be read" text="The arguments of this command are of another version."/></Panel> }.into_any();
    }
    let given = answers.iter().filter(|answer| answer.outcome.is_some()).count() as u64;
    let note = format!("{} of {}", count(given), counted(answers.len() as u64, "entry", "entries"));
    let columns = vec![Column::text("Entry"), Column::text("Asked"), Column::text("Answer"), Column::text("Why")];
    let client_id = view.row.client_id.clone();
    view! {
        <Panel id="h-answers" title="Answers" note>
            <Table caption="Entries of the command with their answers" columns class="answers">
                {answers.into_iter().map(|answer| view! { <Row answer client_id=client_id.clone()/> }).collect_view()}
            </Table>
        </Panel>
    }
    .into_any()
}

#[component]
fn Row(answer: Answer, client_id: ClientId) -> impl IntoView {
    let (word, tone, sign) = look(answer.outcome, answer.why.0.as_deref());
    let why = match answer.why {
        (None, None) => view! { <span class="faint">"none"</span> }.into_any(),
        (code, words) => view! { {code.map(|code| view! { <span class="mono break">{code}</span> })}{words.map(|words| view! { <small>{words}</small> })} }.into_any(),
    };
    view! {
        <tr role="row">
            <th role="rowheader" scope="row"><Id id=answer.operation_id.clone() href=Some(paths::outbox_entry(&client_id, &answer.operation_id))/></th>
            <td role="cell" data-label="Asked">{answer.asked}</td>
            <td role="cell" data-label="Answer"><span class="status" data-tone=tone.as_str()><Glyph sign/><b>{word}</b></span></td>
            <td role="cell" data-label="Why">{why}</td>
        </tr>
    }
    .into_any()
}
