//! The calm after the faults: every device syncs over a perfect network until nobody learns anything new.

use tidewatch_client::Action;
use tidewatch_domain::time::{MINUTE_MS, SECOND_MS};

use super::World;

/// Sweeps over the fleet before it counts as not settling.
const SWEEPS_MAX: usize = 12;
/// Requests of one device in one sweep.
const REQUESTS_MAX: usize = 400;

impl World<'_> {
    /// Answers whether the fleet settled.
    pub(super) async fn calm_down(&mut self) -> anyhow::Result<bool> {
        for _ in 0..SWEEPS_MAX {
            // Any backoff, and any time a deferred intent waits for, is over by then.
            self.now = self.now.plus(15 * MINUTE_MS);
            let mut news = false;
            for index in 0..self.lives.len() {
                news |= self.sync_fully(index).await?;
            }
            if !news {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One device syncs until it is idle; answers whether that changed anything.
    async fn sync_fully(&mut self, index: usize) -> anyhow::Result<bool> {
        let mut news = false;
        if std::mem::take(&mut self.lives[index].waiting_for_reply) {
            let now = self.now;
            self.lives[index].device_mut().handle(super::lost(), now)?;
            self.now = self.now.plus(2 * MINUTE_MS);
        }
        self.lives[index].device_mut().round_begin(0, true);
        if self.options.command_every_ms.is_some() {
            self.lives[index].device_mut().client.control_begin();
        }
        for _ in 0..REQUESTS_MAX {
            let now = self.now;
            match self.lives[index].device_mut().next_action(now)? {
                Action::Send(request) => {
                    let reply = self.transport.send(&request, now).await;
                    let handled = self.lives[index].device_mut().handle(reply, now)?;
                    news |= !handled.settled.is_empty() || handled.failed.is_some();
                    news |= handled.pulled.as_ref().is_some_and(|pulled| !pulled.seqs.is_empty());
                    news |= handled.obeyed.is_some();
                    self.lives[index].note(handled, now);
                }
                Action::Wait(_) => self.now = self.now.plus(5 * SECOND_MS),
                Action::Idle => return Ok(news),
                Action::Stopped(stop) => anyhow::bail!("{} stopped: {stop:?}", self.lives[index].seen.name),
            }
        }
        Ok(true)
    }
}
