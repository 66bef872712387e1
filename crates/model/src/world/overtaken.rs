//! A page of a scan under which something is written: after the page has looked where the log ends, and before it reads a row.

use tidewatch_domain::ids::{CollectionName, RecordId};
use tidewatch_domain::sync::Push;
use tidewatch_domain::time::Millis;

use super::steps::batch;
use super::{READERS, World, scope};
use crate::command::Fault;
use crate::reference::Answer;

impl World {
    /// All readers of the store are taken by others when the page is asked for, so that it knows its head and has to wait; then the writer
    /// pushes everything; then the page goes on. It may leave out what was written, and must not say then that it was the last one.
    pub(super) fn overtaken(&mut self, n: usize, writer: usize, size: usize) -> Result<(), String> {
        let (since, scopes) = (self.devices[n].cursor.clone(), self.open[n].clone());
        if since.is_none() {
            self.devices[n].scopes.clone_from(&scopes);
        }
        let intents = self.devices[writer].waiting(0, usize::MAX);
        let (query, head) = (self.query(since.as_deref(), size, true, Some(n)), self.reference.head());
        let list: Vec<_> = scopes.iter().map(|name| scope(name)).collect();
        let push = Push { terms: self.terms(writer), ..batch(writer, &intents) };
        let (runtime, store) = self.both();
        let (collection, record) = (CollectionName::parse("assets").expect("a name"), RecordId::parse("r-0").expect("an id"));
        let (page, pushed) = runtime.block_on(async {
            let mut busy = Vec::new();
            while busy.len() < READERS as usize {
                let mut reader = Box::pin(store.sync().record_view(&collection, &record));
                // One that has to wait for its answer holds its place among the readers until it is asked again.
                let waits = tokio::select! { biased; _ = &mut reader => false, () = std::future::ready(()) => true };
                busy.extend(waits.then_some(reader));
            }
            let mut page = Box::pin(store.sync().changes_page(&query, &list));
            // Where there is nothing to read, it is there at once.
            let early = tokio::select! { biased; page = &mut page => Some(page), () = std::future::ready(()) => None };
            let pushed = store.sync().mutations_push(push, Millis(self.now)).await;
            for reader in busy {
                reader.await.expect("read");
            }
            (if let Some(page) = early { page } else { page.await }, pushed)
        });
        let (page, pushed) = (page.map_err(|error| error.to_string())?, pushed.map_err(|error| error.to_string())?);
        let answers: Vec<Answer> = pushed.results.iter().map(Answer::from).collect();
        self.decided(writer, &intents, &answers)?;
        self.devices[writer].settle(&intents, &answers);
        let (_, to) = self.same_page(&page, &query, &scopes, head)?;
        if to > head || to < head && !page.has_more {
            return Err(format!("a page that was asked for at {head} ends at {to}, and has more: {}", page.has_more));
        }
        self.seen.overtaken += usize::from(page.snapshot_complete == Some(false) && to == head);
        let page = self.mutated(page);
        self.taken(n, &page, since, scopes, Fault::None);
        Ok(())
    }
}
