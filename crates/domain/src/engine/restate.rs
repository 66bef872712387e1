//! States an intent with a rarer form of base or payload as a plain one, so that policies know one form only.
//!
//! A base by content becomes the version that has this content. A JSON patch and a named command become an update of the fields
//! that they change. What an intent means, and what is remembered and kept of it, stays as it came.

use super::guard::{self, problem};
use super::{Collection, Past, RecordKey, Turn};
use crate::digest::{Hash, content_hash};
use crate::ids::Version;
use crate::json::body_text;
use crate::patch::{PatchFault, patched};
use crate::sync::{Base, Body, IntentProblem, Mutation, MutationOp, Terms};

impl Turn<'_> {
    /// The plain form; `None` when the intent is plain already.
    pub(super) fn restated(&mut self, collection: &Collection, mutation: &Mutation) -> Result<Option<Mutation>, IntentProblem> {
        let rules = self.batch.rules;
        let implied = mutation.base == Base::Unknown && (rules.unchanged_since.is_some() || rules.if_match.is_some());
        let terms = mutation.terms.as_deref();
        let rare = terms.is_some_and(|terms| terms.base_body.is_some() || terms.patch.is_some() || terms.command.is_some());
        let older = !collection.policy.steps.fits(mutation.schema_version);
        if !implied && !rare && !older && !matches!(mutation.base, Base::Checksum(_)) {
            return Ok(None);
        }
        let key = (collection.key, self.set.target(collection, &mutation.record_id));
        let base = self.base(collection, mutation, &key, implied);
        let fields = self.fields(collection, mutation, &key, &base)?;
        // An operation on a field that merges by itself names its field, and such a field keeps its name.
        let renames = older && mutation.op != MutationOp::Crdt;
        let fields = if renames { self.stepped(collection, mutation, fields) } else { fields };
        // What a command sets is known here and not to the device that sent it.
        self.altered |= terms.is_some_and(|terms| terms.command.is_some());
        let plain = Mutation { base, fields, terms: terms.and_then(carried), ..mutation.clone() };
        guard::payload(collection, &plain)?;
        Ok(Some(plain))
    }

    /// A payload in the current names. Notes where more became of it than that.
    fn stepped(&mut self, collection: &Collection, mutation: &Mutation, fields: Body) -> Body {
        let steps = &collection.policy.steps;
        let up = steps.up(mutation.schema_version, mutation.op, fields.clone());
        self.altered = steps.shown(Some(mutation.schema_version), up.clone()) != fields;
        up
    }

    fn base(&mut self, collection: &Collection, mutation: &Mutation, key: &RecordKey, implied: bool) -> Base {
        let Some(record) = self.set.records.get(key) else { return mutation.base.clone() };
        if implied {
            return Base::Version(record.version);
        }
        let brought = mutation.terms.as_ref().and_then(|terms| terms.base_body.as_ref());
        let version = match &mutation.base {
            Base::Version(version) => {
                let known = *version == record.version || self.history_has(key, *version);
                if known || brought.is_none() {
                    return mutation.base.clone();
                }
                None
            }
            Base::Operation(_) => return mutation.base.clone(),
            Base::Checksum(hash) => self.version_with(collection, mutation, key, hash),
            Base::Unknown => {
                brought.and_then(|body| self.version_with(collection, mutation, key, &content_hash(Some(&body_text(body)))))
            }
        };
        match (version, brought) {
            (Some(version), _) => Base::Version(version),
            (None, Some(body)) => self.base_bring(key, &collection.policy.steps.restored(body.clone())),
            (None, None) => Base::Unknown,
        }
    }

    fn history_has(&self, key: &RecordKey, version: Version) -> bool {
        self.set.history.get(key).is_some_and(|history| history.iter().any(|past| past.version == version))
    }

    /// The version of a record with this content, in the names of the device: the current one first, then the latest before.
    fn version_with(&self, collection: &Collection, mutation: &Mutation, key: &RecordKey, hash: &Hash) -> Option<Version> {
        let (steps, record) = (&collection.policy.steps, self.set.records.get(key)?);
        let same = |body: Option<&str>| match body {
            Some(text) if !steps.is_empty() => {
                let shown = steps.shown(Some(mutation.schema_version), body_read(text));
                content_hash(Some(&body_text(&shown))) == *hash
            }
            body => content_hash(body) == *hash,
        };
        let reshaped = !steps.is_empty() && same(record.body.as_deref());
        if reshaped || record.content_hash == *hash {
            return Some(record.version);
        }
        let history = self.set.history.get(key).map(Vec::as_slice).unwrap_or_default();
        history.iter().filter(|past| past.body.is_some() && same(past.body.as_deref())).map(|past| past.version).max()
    }

    /// Puts the body that a device brought along into the history, under a number that no version has.
    fn base_bring(&mut self, key: &RecordKey, body: &Body) -> Base {
        let history = self.set.history.entry(key.clone()).or_default();
        let version = Version(-1 - i64::try_from(history.len()).unwrap_or(i64::MAX - 1));
        history.push(Past { version, body: Some(body_text(body)) });
        Base::Version(version)
    }

    fn fields(&self, collection: &Collection, mutation: &Mutation, key: &RecordKey, base: &Base) -> Result<Body, IntentProblem> {
        let Some(terms) = mutation.terms.as_deref() else { return Ok(mutation.fields.clone()) };
        if let Some(command) = &terms.command {
            let known = collection
                .policy
                .commands
                .get(&command.name)
                .ok_or_else(|| problem("schema_invalid", 422, format!("the collection has no command `{}`", command.name)))?;
            let args = collection.policy.steps.up(mutation.schema_version, MutationOp::Update, command.args.clone());
            return known.fields(&args).map_err(|fault| problem("schema_invalid", 422, fault));
        }
        let Some(patch) = &terms.patch else { return Ok(mutation.fields.clone()) };
        // A record that is not there is refused as such by the decision.
        let Some(record) = self.set.records.get(key) else { return Ok(Body::new()) };
        let current = match base {
            Base::Version(version) => *version == record.version,
            _ => true,
        };
        if record.deleted && current {
            return Err(problem("not_found", 404, "the record is deleted; there is nothing to patch"));
        }
        let before = if current { None } else { self.past_body(key, base) };
        let before = before.or_else(|| record.body.as_deref().map(body_read)).unwrap_or_default();
        // A patch is made on the record as its device knows it.
        let before = collection.policy.steps.shown(Some(mutation.schema_version), before);
        let after = patched(&before, patch).map_err(refusal)?;
        Ok(difference(&before, &after))
    }

    fn past_body(&self, key: &RecordKey, base: &Base) -> Option<Body> {
        let Base::Version(version) = base else { return None };
        let past = self.set.history.get(key)?.iter().find(|past| past.version == *version)?;
        past.body.as_deref().map(body_read)
    }
}

/// The terms that stay with the plain form.
fn carried(terms: &Terms) -> Option<Box<Terms>> {
    let Terms { merges, resolves, vector, wish, .. } = terms.clone();
    let carried = Terms { merges, resolves, vector, wish, ..Terms::default() };
    (carried != Terms::default()).then(|| Box::new(carried))
}

fn refusal(fault: PatchFault) -> IntentProblem {
    let code = if matches!(fault, PatchFault::TestFailed { .. }) { "guard_failed" } else { "schema_invalid" };
    problem(code, 422, format!("json_patch: {fault}"))
}

/// The update that makes one body of another.
fn difference(before: &Body, after: &Body) -> Body {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let mut fields: Body = gone.map(|name| (name.clone(), serde_json::json!({"$unset": true}))).collect();
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    fields.extend(set.map(|(name, value)| (name.clone(), value.clone())));
    fields
}

/// A body from its canonical text.
fn body_read(text: &str) -> Body {
    serde_json::from_str(text).expect("the log holds objects that the engine itself has written")
}
