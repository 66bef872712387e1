//! What was selected, in addresses and forms: ticked entries one by one, all that a list shows, which is a choice of its own, or what
//! failed in a drain.

use tidewatch_domain::drain::Selection;
use tidewatch_domain::ids::ClientId;

use crate::pages::params::{BadParam, Params};

/// A selection as a form sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picked {
    /// Whether everything that the list shows is meant, on all its pages.
    pub all: bool,
    /// Signature of the group that the list is of.
    pub signature: Option<String>,
    /// Filter of the list.
    pub filter: String,
    /// A drain whose failed entries are meant.
    pub job: String,
    /// Only those that failed with this code; empty for all.
    pub code: String,
    /// Ticked entries, as [`crate::paths::entry_key`] writes them.
    pub entries: Vec<String>,
}

impl Picked {
    /// Reads `all`, `signature`, `filter` and every `entry`.
    #[must_use]
    pub fn here(params: &Params) -> Self {
        Self {
            all: params.one("all").is_some(),
            signature: params.one("signature").map(str::to_owned),
            filter: params.one("filter").unwrap_or_default().to_owned(),
            job: params.one("job").unwrap_or_default().to_owned(),
            code: params.one("code").unwrap_or_default().to_owned(),
            entries: params.all("entry").map(str::to_owned).collect(),
        }
    }

    /// What a form sent.
    #[must_use]
    pub fn posted(all: bool, signature: String, filter: String, entries: Vec<String>) -> Self {
        let signature = Some(signature).filter(|text| !text.is_empty());
        Self { all, signature, filter: filter.trim().to_owned(), entries, ..Self::default() }
    }

    /// What is meant. Nothing ticked is never *everything*.
    ///
    /// # Errors
    /// `entry` when nothing is ticked, or when one is not named as a device and an operation.
    pub fn selection(&self) -> Result<Selection, BadParam> {
        if self.all {
            return Ok(Selection::Matching { signature: self.signature.clone(), filter: self.filter.clone() });
        }
        if !self.job.is_empty() {
            let code = Some(self.code.clone()).filter(|code| !code.is_empty());
            return Ok(Selection::Failed { job: self.job.clone(), code });
        }
        if self.entries.is_empty() {
            return Err(BadParam { field: "entry", detail: "tick the entries first, or choose all that match".into() });
        }
        let read = |key: &String| {
            let (client_id, operation) = key.split_once('/')?;
            let client_id = ClientId::parse(client_id.to_owned()).ok()?;
            (!operation.is_empty()).then(|| (client_id, operation.to_owned()))
        };
        let entries: Option<Vec<_>> = self.entries.iter().map(read).collect();
        entries.map(Selection::Entries).ok_or_else(|| BadParam {
            field: "entry",
            detail: "must be the id of a device, a slash and the id of an operation".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::fixture::client;
    use crate::paths;

    fn read(selection: &Selection) -> Result<Selection, BadParam> {
        let address = paths::drain_patch(selection, "[]");
        let (path, query) = address.split_once('?').expect("a selection makes a query");
        assert_eq!(path, paths::DRAIN_PATCH);
        Picked::here(&Params::parse(query)).selection()
    }

    #[test]
    fn a_selection_survives_the_trip_through_an_address() {
        let odd = Selection::Entries(vec![(client(1), "op/with a slash&more".into()), (client(2), "op-2".into())]);
        let group =
            Selection::Matching { signature: Some("schema_invalid a update b: \"…\"".into()), filter: "age:>=1h".into() };
        let all = Selection::Matching { signature: None, filter: String::new() };
        let failed = Selection::Failed { job: "J7".into(), code: Some("checksum_mismatch".into()) };
        for selection in [odd, group, all, failed] {
            assert_eq!(read(&selection), Ok(selection));
        }
    }

    #[test]
    fn nothing_ticked_never_means_everything() {
        let bad = Picked::default().selection().expect_err("nothing was chosen");
        assert_eq!(bad.field, "entry");
        let filtered = Picked { filter: "state:poisoned".into(), ..Picked::default() };
        assert_eq!(filtered.selection().expect_err("a filter alone chooses nothing").field, "entry");
    }

    #[test]
    fn an_entry_that_names_no_device_is_refused() {
        for key in ["op-1", "not-an-id/op-1", "/op-1", "00000000-0000-4000-8000-000000000009/"] {
            let picked = Picked { entries: vec![key.into()], ..Picked::default() };
            assert_eq!(picked.selection().expect_err(key).field, "entry");
        }
    }
}
