//! What a selection is: as JSON text beside its set, and as the entries that it means now.

use serde_json::{Value, json};
use tidewatch_domain::drain::{SELECTED_MAX, SET_ENTRIES_MAX, SUPPORT_ENTRIES_MAX, Selection};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::filter::{Filter, keys};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::role::drain_action;
use tidewatch_store::sync::drain::FailedItem;
use tidewatch_store::telemetry::MemberNames;

use super::gather::Gathered;
use crate::{Cx, Error, Result, Service};

/// Entries that are read at once.
pub(super) const STRETCH: u32 = 5_000;

/// A selection as JSON.
pub(super) fn selection_write(selection: &Selection) -> Value {
    match selection {
        Selection::Matching { signature, filter } => json!({"signature": signature, "filter": filter}),
        Selection::Entries(entries) => {
            let pairs: Vec<Value> = entries.iter().map(|(client, operation)| json!([client.as_str(), operation])).collect();
            json!({"entries": pairs})
        }
        Selection::Failed { job, code } => json!({"failed": job, "code": code}),
    }
}

/// Reads what [`selection_write`] writes; `None` for anything else.
pub(super) fn selection_read(text: &str) -> Option<Selection> {
    let value: Value = serde_json::from_str(text).ok()?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(pairs) = value.get("entries") {
        let pair = |pair: &Value| {
            let client = ClientId::parse(pair.get(0)?.as_str()?).ok()?;
            Some((client, pair.get(1)?.as_str()?.to_owned()))
        };
        return Some(Selection::Entries(pairs.as_array()?.iter().map(pair).collect::<Option<_>>()?));
    }
    match text("failed") {
        Some(job) => Some(Selection::Failed { job, code: text("code") }),
        None => Some(Selection::Matching { signature: text("signature"), filter: text("filter")? }),
    }
}

pub(super) fn filter_read(text: &str) -> Result<Filter> {
    Filter::parse(keys::OUTBOX, text).map_err(|error| Error::Invalid { field: "filter", detail: error.to_string() })
}

/// Refuses too many at once, with the count, and never cuts them: as many as a set holds, and as many as the role may drain. What nobody
/// may submit is not written down either.
pub(super) fn fits(cx: &Cx, entries: usize) -> Result<()> {
    let entries = entries as u64;
    if entries > SUPPORT_ENTRIES_MAX && cx.require(drain_action(entries)).is_err() {
        return Err(Error::RoleLimit { entries, most: SUPPORT_ENTRIES_MAX });
    }
    if entries > SET_ENTRIES_MAX {
        let detail = format!(
            "means {entries} entries or more with those behind them, and {SET_ENTRIES_MAX} can be drained in one go; narrow the filter"
        );
        return Err(Error::Invalid { field: "selection", detail });
    }
    Ok(())
}

/// A search in payloads that has not seen them all: what it means as a whole is not known, so nothing is frozen instead of a part.
fn not_all_seen(looked: u64) -> Error {
    Error::Invalid {
        field: "selection",
        detail: format!(
            "means all that match a search in payloads, which has looked at {looked} of them and takes 10,000 matches, and there are \
             more; add a condition that leaves fewer, or name the entries"
        ),
    }
}

impl Service {
    /// The entries that a selection means now, in the order of its list.
    pub(super) async fn selected(&self, cx: &Cx, selection: &Selection, names: &mut MemberNames) -> Result<Vec<Gathered>> {
        match selection {
            Selection::Matching { signature, filter } => {
                self.matching(cx, signature.as_deref(), &filter_read(filter)?, names).await
            }
            Selection::Entries(entries) if entries.len() > SELECTED_MAX => Err(Error::Invalid {
                field: "entries",
                detail: format!("names {} entries, {SELECTED_MAX} at most; select them by a filter", entries.len()),
            }),
            Selection::Entries(entries) => {
                let mut members = Vec::with_capacity(entries.len());
                self.gather(self.store.telemetry().outbox_members_of(entries, names).await?, false, &mut members);
                Ok(members)
            }
            Selection::Failed { job, code } => self.failed_members(job, code.as_deref(), names).await,
        }
    }

    /// What failed in a job and is still there, each with the part that it had: what was only to be held is held again, and what came
    /// along with its group comes along again.
    async fn failed_members(&self, job: &str, code: Option<&str>, names: &mut MemberNames) -> Result<Vec<Gathered>> {
        let row = self.job_row(job).await?;
        Self::rolled_refuse(&row)?;
        let (sync, number) = (self.store.sync(), row.id);
        let (mut members, mut after) = (Vec::new(), 0);
        loop {
            let stretch = sync.failed_members(number, code, after, STRETCH).await?;
            let Some(last) = stretch.last() else { return Ok(members) };
            after = last.n;
            for (behind, along) in [(false, false), (false, true), (true, false), (true, true)] {
                let of_part = stretch.iter().filter(|item| (item.behind, item.along) == (behind, along));
                let named = |item: &FailedItem| Some((sync.client_id_of(ClientKey(item.client))?, item.operation_id.clone()));
                let entries: Vec<(ClientId, String)> = of_part.filter_map(named).collect();
                let first = members.len();
                self.gather(self.store.telemetry().outbox_members_of(&entries, names).await?, behind, &mut members);
                members[first..].iter_mut().for_each(|gathered| gathered.along = along);
            }
        }
    }

    async fn matching(
        &self,
        cx: &Cx,
        signature: Option<&str>,
        filter: &Filter,
        names: &mut MemberNames,
    ) -> Result<Vec<Gathered>> {
        let telemetry = self.store.telemetry();
        let selecting = telemetry.outbox_select(signature, filter, cx.now).await;
        let mut selecting = selecting.map_err(|error| match error {
            tidewatch_store::Error::NotAllSeen { looked } => not_all_seen(looked),
            other => other.into(),
        })?;
        let mut members = Vec::new();
        while let Some(stretch) = telemetry.outbox_members(&mut selecting, STRETCH, names).await? {
            self.gather(stretch, false, &mut members);
            fits(cx, members.len())?;
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_reads_back_as_it_was_written() {
        let client = ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-000000000001").expect("an id");
        let all = [
            Selection::Matching { signature: None, filter: String::new() },
            Selection::Matching { signature: Some("a b c".into()), filter: "state:poisoned".into() },
            Selection::Entries(vec![(client, "op-1".into())]),
            Selection::Failed { job: "J7".into(), code: Some("schema_invalid".into()) },
        ];
        for selection in all {
            assert_eq!(selection_read(&selection_write(&selection).to_string()), Some(selection));
        }
        for broken in ["", "[]", "{}", "{\"entries\":[[\"x\"]]}", "{\"signature\":\"a\"}"] {
            assert_eq!(selection_read(broken), None, "{broken}");
        }
    }
}
