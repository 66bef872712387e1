//! Fills a data directory with a fleet, in process and before the server starts: the same rows that devices would leave, without
//! the hours that it would take them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use tidewatch_domain::contact::Contact;
use tidewatch_domain::ids::{CollectionName, Scope};
use tidewatch_domain::report::Report;
use tidewatch_domain::sync::{ClientRegistration, IntentStatus};
use tidewatch_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS, Millis};
use tidewatch_protocol::v1::PushRequest;
use tidewatch_protocol::v1::mutations::push_read;
use tidewatch_protocol::v1::telemetry::{DigestEntry, report_read};
use tidewatch_store::{Durability, Store, StoreOptions};

use crate::clock;
use crate::world::{self, Held, PER_SITE, Persona, persona, site};

/// Devices that are at work at a time.
const LANES: u32 = 64;
/// Devices whose past day is told, five minutes by five minutes.
pub(crate) const WITH_HISTORY: u32 = 50;
/// How long the past is.
const HISTORY_MS: i64 = 26 * HOUR_MS;
/// One device in so many waits until all notes are written.
const SETTLE_EVERY: u32 = 256;

/// Adds the devices `from..to`.
pub(crate) async fn fill(folder: &Path, from: u32, to: u32) -> anyhow::Result<()> {
    let options = StoreOptions { durability: Durability::Normal, ..StoreOptions::new(clock::now(), 0x7469_6465) };
    let store = Store::open(folder, options).await.context("the store does not open")?;
    let filling = Filling { store: store.clone(), digests: Arc::default() };
    filling.each(from, to, |filling, n| async move { filling.register(n).await }).await?;
    filling.each(from, to, |filling, n| async move { filling.push(n).await }).await?;
    let digests = filling.digests(to);
    let filling = Filling { digests: Arc::new(digests), ..filling };
    if from == 0 {
        filling.history(to.min(WITH_HISTORY)).await?;
    }
    filling.each(from, to, |filling, n| async move { filling.report(n).await }).await?;
    filling.pulls(from, to).await?;
    store.telemetry().roll(clock::now()).await?;
    store.close().await.context("the store does not close")
}

#[derive(Clone, Debug)]
struct Filling {
    store: Store,
    /// By site: the digest that a device in step with the store reports.
    digests: Arc<HashMap<Scope, DigestEntry>>,
}

impl Filling {
    async fn each<F, Fut>(&self, from: u32, to: u32, one: F) -> anyhow::Result<()>
    where
        F: Fn(Self, u32) -> Fut + Copy + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send,
    {
        let lanes = (0..LANES).map(|lane| {
            let filling = self.clone();
            tokio::spawn(async move {
                for n in (from + lane..to).step_by(LANES as usize) {
                    one(filling.clone(), n).await?;
                }
                anyhow::Ok(())
            })
        });
        for lane in lanes.collect::<Vec<_>>() {
            lane.await.expect("a lane does not panic")?;
        }
        Ok(())
    }

    async fn register(&self, n: u32) -> anyhow::Result<()> {
        let registration = ClientRegistration {
            client_id: Some(world::client(n)),
            principal: format!("tech-{}", n % 900),
            platform: Some(["ios", "android", "windows", "web"][n as usize % 4].to_owned()),
            app_version: Some(format!("4.{}.{}", 10 + n % 9, n % 3)),
            schema_version: Some(1),
            scopes: vec![site(n)],
            simulated: false,
            public_key: None,
        };
        self.store.sync().client_register(registration, world::client(n), clock::now()).await?;
        Ok(())
    }

    /// A record of its own; those in conflict also change one of a neighbour twice, the second time on a base that has gone.
    async fn push(&self, n: u32) -> anyhow::Result<()> {
        let (now, record) = (clock::now(), u64::from(n));
        let mut intents = vec![world::intent(&site(n), record, None, now, record * 4)];
        if persona(n) == Persona::Conflicted {
            intents.push(world::intent(&site(n), record, Some(1), now, record * 4 + 1));
            let mut late = world::intent(&site(n), record, Some(1), now.plus(-MINUTE_MS), record * 4 + 2);
            late.fields.get_or_insert_default().insert("status".to_owned(), "late".into());
            intents.push(late);
        }
        let count = intents.len();
        let request = PushRequest {
            protocol: 1,
            client_id: world::client(n).to_string(),
            schema_version: Some(1),
            mutations: intents.into_iter().map(tidewatch_protocol::v1::Mutation::frozen).collect(),
            ..PushRequest::default()
        };
        let read = push_read(&serde_json::to_vec(&request)?).map_err(|problem| anyhow!("{problem:?}"))?;
        let answer = self.store.sync().mutations_push(read.push, now).await?;
        let lost = answer.results.iter().filter(|result| result.status != IntentStatus::Applied).count();
        ensure!(lost == usize::from(count > 1), "device {n}: {lost} of {count} intents were not applied");
        let telemetry = self.store.telemetry();
        telemetry.contact_note(&world::client(n), now, Contact::PushStarted { intents: 1, skew_ms: None });
        telemetry.contact_note(&world::client(n), now, Contact::PushAnswered { results: answer.results, took_ms: 4.0 });
        self.settle(n).await
    }

    /// Now and then waits until the notes are written: their queue is bounded, and what does not fit is dropped.
    async fn settle(&self, n: u32) -> anyhow::Result<()> {
        if n.is_multiple_of(SETTLE_EVERY) {
            self.store.telemetry().settle().await?;
        }
        Ok(())
    }

    fn digests(&self, to: u32) -> HashMap<Scope, DigestEntry> {
        let assets = CollectionName::parse("assets").expect("a name");
        let known = (0..to.div_ceil(PER_SITE)).map(world::site_numbered).filter_map(|site| {
            let (rows, digest, _) = self.store.sync().scope_digest(&site, &assets)?;
            Some((site, DigestEntry { rows, digest: format!("{digest:016x}") }))
        });
        known.collect()
    }

    fn held(&self, n: u32) -> Held {
        let cursor = (persona(n) != Persona::Behind).then(|| self.store.sync().cursor_at(self.store.sync().head()));
        let mut digest = self.digests.get(&site(n)).cloned();
        if let (Persona::Diverged, Some(digest)) = (persona(n), &mut digest) {
            digest.digest = "0123456789abcdef".to_owned();
        }
        Held { cursor, digest }
    }

    fn made(&self, n: u32, at: Millis) -> anyhow::Result<Report> {
        let text = serde_json::to_string(&world::report(n, at, &self.held(n)))?;
        report_read(&text).map_err(|refused| anyhow!("device {n}: {}", refused.detail))
    }

    async fn history(&self, devices: u32) -> anyhow::Result<()> {
        let now = clock::now();
        for step in 0..HISTORY_MS / (5 * MINUTE_MS) {
            let at = now.plus(-HISTORY_MS + step * 5 * MINUTE_MS);
            let store = self.store.telemetry();
            let reports = (0..devices).map(|n| anyhow::Ok((world::client(n), self.made(n, at)?)));
            let reports: Vec<_> = reports.collect::<anyhow::Result<_>>()?;
            let waiting: Vec<_> = reports
                .into_iter()
                .map(|(client, report)| {
                    let this = self.clone();
                    tokio::spawn(async move { this.store.telemetry().reports_ingest(&client, vec![report], at).await })
                })
                .collect();
            for answer in waiting {
                answer.await.expect("it does not panic")?;
            }
            store.roll(at).await?;
        }
        Ok(())
    }

    async fn report(&self, n: u32) -> anyhow::Result<()> {
        let now = clock::now();
        let (reports, received) = match persona(n) {
            Persona::Silent => (vec![self.made(n, now.plus(-3 * DAY_MS))?], now.plus(-3 * DAY_MS)),
            _ => (vec![self.made(n, now.plus(-5 * MINUTE_MS))?, self.made(n, now)?], now),
        };
        self.store.telemetry().reports_ingest(&world::client(n), reports, received).await?;
        Ok(())
    }

    /// Those that are not behind have read everything.
    async fn pulls(&self, from: u32, to: u32) -> anyhow::Result<()> {
        let (telemetry, head) = (self.store.telemetry(), self.store.sync().head());
        for n in (from..to).filter(|n| !matches!(persona(*n), Persona::Behind | Persona::Silent)) {
            let contact = Contact::Pulled { scopes: vec![site(n)], to: head, rows: 1, took_ms: 2.0 };
            telemetry.contact_note(&world::client(n), clock::now(), contact);
            self.settle(n).await?;
        }
        telemetry.settle().await?;
        ensure!(telemetry.notes_dropped() == 0, "{} notes were dropped", telemetry.notes_dropped());
        Ok(())
    }
}
