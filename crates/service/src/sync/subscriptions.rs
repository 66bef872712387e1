//! Several subscriptions of one device, read together: each by itself, so that one that is refused or revoked does not stop the
//! others.

use tidewatch_domain::sync::{CursorRefusal, FeedPage, FeedQuery};
use tidewatch_store::sync::ClientFacts;

use super::read_by;
use crate::{Cx, Result, Service};

/// An answer ends once its payloads reach this.
const BYTES_SOFT: usize = 1024 * 1024;

/// What becomes of one subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Subscribed {
    /// Its next page.
    Page(Box<FeedPage>),
    /// Not read this time, for the answer is full.
    Waiting,
    /// Not open to the device.
    Revoked,
    /// Its cursor is refused.
    Refused(CursorRefusal),
}

/// Whether every scope of a query is open to the device.
fn open(device: &ClientFacts, query: &FeedQuery) -> bool {
    query.scopes.iter().all(|scope| device.scopes.contains(scope))
}

impl Service {
    /// The next page of each subscription, with so many rows in all, in the order asked.
    ///
    /// # Errors
    /// Blocked; as the store.
    pub async fn subscriptions_page(&self, cx: &Cx, queries: &[FeedQuery], limit: u32) -> Result<Vec<Subscribed>> {
        let device = self.device(cx)?;
        let awake = queries.iter().filter(|query| open(&device, query) && !self.asleep(&device, query)).count();
        let share = (limit / u32::try_from(awake.max(1)).unwrap_or(u32::MAX)).max(1);
        let (mut left, mut bytes) = (limit, 0);
        let mut all = Vec::with_capacity(queries.len());
        for query in queries {
            // Anew for each: a scope may be closed while another one is read.
            let device = self.device(cx)?;
            if !open(&device, query) {
                all.push(Subscribed::Revoked);
                continue;
            }
            if left == 0 || bytes > BYTES_SOFT {
                all.push(Subscribed::Waiting);
                continue;
            }
            let query = FeedQuery { limit: share.min(left), ..read_by(&device, query.clone()) };
            all.push(match self.store.sync().changes_page(&query, &query.scopes).await {
                Ok(_) if !self.still_open(cx, &device, &query.scopes)? => Subscribed::Revoked,
                Ok(page) => {
                    left = left.saturating_sub(u32::try_from(page.rows.len() + page.controls.len()).unwrap_or(u32::MAX));
                    bytes += page.rows.fields_bytes().sum::<usize>();
                    Subscribed::Page(Box::new(page))
                }
                Err(tidewatch_store::Error::Cursor(refusal)) => Subscribed::Refused(refusal),
                Err(error) => return Err(error.into()),
            });
        }
        Ok(all)
    }

    /// From memory: whether no subscription has anything to say.
    #[must_use]
    pub fn subscriptions_idle(&self, cx: &Cx, queries: &[FeedQuery]) -> bool {
        self.device(cx).is_ok_and(|device| queries.iter().all(|query| open(&device, query) && self.asleep(&device, query)))
    }

    fn asleep(&self, device: &ClientFacts, query: &FeedQuery) -> bool {
        let query = read_by(device, query.clone());
        matches!(self.store.sync().changes_unchanged(&query, &query.scopes), Ok(Some(_)))
    }
}
