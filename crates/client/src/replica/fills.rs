//! A column that was new here: its values for records that are here already, each good for one version of its record.
//!
//! Asking and pulling take turns, so that nothing here is newer than what comes. A value of a newer version waits until the feed has
//! brought its record to that version: what lies between may change other fields, and is not known to leave this one alone.

use std::collections::BTreeMap;

use tidewatch_domain::sync::Body;

use super::{Image, Key, Replica};
use crate::intent::merge_fields;
use crate::state::Event;
use crate::wire::Fill;

/// Values that wait for their version: the names that were asked for, and what the record has of them.
pub(super) type Fills = BTreeMap<Key, (i64, Vec<String>, Body)>;

impl Replica {
    /// Takes what records of a collection have of some fields.
    pub fn fill(&mut self, collection: &str, names: &[String], rows: Vec<Fill>) {
        for Fill { record_id, version, fields } in rows {
            let key: Key = (collection.to_owned(), record_id);
            // What is not here will come whole; what is newer here than the answer comes again.
            let Some(image) = self.records.get(&key).filter(|image| image.version <= version).cloned() else { continue };
            self.fills.insert(key.clone(), (version, names.to_vec(), fields));
            self.set(key, Some(image));
        }
    }

    /// How many records wait for the feed.
    #[must_use]
    pub fn fills_len(&self) -> usize {
        self.fills.len()
    }

    /// What waits, for a compacted journal.
    pub(crate) fn fills_waiting(&self) -> impl Iterator<Item = Event> {
        self.fills.iter().map(|((collection, record_id), (version, names, fields))| Event::Filled {
            collection: collection.clone(),
            names: names.clone(),
            rows: vec![Fill { record_id: record_id.clone(), version: *version, fields: fields.clone() }],
        })
    }

    /// An image with the values that have waited for its version. They wait no longer when it is gone, or newer: then it has come whole.
    pub(super) fn filled(&mut self, key: &Key, image: Option<Image>) -> Option<Image> {
        let Some((version, names, fields)) = self.fills.remove(key) else { return image };
        let image = image?;
        let Some(mut body) = image.read().filter(|_| image.version == version) else {
            if image.version < version {
                self.fills.insert(key.clone(), (version, names, fields));
            }
            return Some(image);
        };
        names.iter().for_each(|name| drop(body.remove(name)));
        merge_fields(&mut body, fields);
        Some(Image::live(&image.scope, version, body))
    }
}
