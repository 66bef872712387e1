//! One simulated device: the reference client, its owner's edits, its body. It does not know who carries its requests.

use serde_json::Value;
use tidewatch_client::journal::Journal;
use tidewatch_client::{Action, Client, Config, Handled, Reply};
use tidewatch_domain::control::MeshMode;
use tidewatch_domain::time::{Millis, SECOND_MS};

use crate::dice::Dice;
use crate::persona::{Persona, Profile};
use crate::vitals::{Strain, Vitals};
use crate::workload;

/// Time between two broadcasts on a mesh tablet that nobody has told another.
const MESH_INTERVAL_MS: i64 = 15 * SECOND_MS;

/// A simulated device.
#[derive(Debug)]
pub struct SimDevice<J> {
    /// Who it is.
    pub profile: Profile,
    /// The client, unchanged.
    pub client: Client<J>,
    /// Its body.
    pub vitals: Vitals,
    /// Draws edits, ids, backoff.
    pub dice: Dice,
    strain: Strain,
    report_seq: i64,
}

/// How a device is set up with its client.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Seed of the world.
    pub seed: u64,
    /// Token to enrol with.
    pub enrolment_token: Option<String>,
    /// Distinguishes the draws of one start of the process from those of another.
    pub start: u64,
    /// Acknowledged intents the client remembers.
    pub acknowledged_limit: usize,
}

impl<J: Journal> SimDevice<J> {
    /// Opens a device on what its journal remembers. Its id depends on the seed and its position alone.
    ///
    /// # Errors
    /// As the journal.
    pub fn open(profile: Profile, setup: &Setup, journal: J) -> Result<Self, tidewatch_client::Error> {
        let config = Config {
            enrolment_token: setup.enrolment_token.clone(),
            principal: profile.principal.clone(),
            platform: profile.platform.to_owned(),
            app_version: profile.app_version.to_owned(),
            schema_version: 1,
            scopes: profile.scopes(),
            simulated: true,
            batch_entries: 100,
            page_rows: 500,
            acknowledged_limit: setup.acknowledged_limit,
        };
        let mut client = Client::open(config, journal)?;
        client.name(&device_id(setup.seed, profile.index))?;
        if profile.persona == Persona::MeshTablet {
            let mut mesh = Dice::new(setup.seed, "mesh", profile.index);
            client.mesh_begin(MeshMode::MultiHop, Some(MESH_INTERVAL_MS), mesh.rng())?;
        }
        let mut body = Dice::new(setup.seed, "vitals", profile.index);
        let vitals = Vitals::new(&profile, &mut body);
        // Draws of another start are others: an operation id must never come twice.
        let dice = Dice::new(setup.seed ^ setup.start.wrapping_mul(0x9e37_79b9_7f4a_7c15), "life", profile.index);
        Ok(Self { profile, client, vitals, dice, strain: Strain::default(), report_seq: 0 })
    }

    /// The device's own clock.
    #[must_use]
    pub fn clock(&self, now: Millis) -> Millis {
        now.plus(self.profile.skew_ms)
    }

    /// Its owner does something. Answers the operation id, if it came to an edit.
    ///
    /// # Errors
    /// As the journal.
    pub fn edit(&mut self, now: Millis) -> Result<Option<String>, tidewatch_client::Error> {
        let clock = self.clock(now);
        let Some(draft) = workload::draft(&self.profile, self.client.state(), &mut self.dice) else { return Ok(None) };
        match self.client.enqueue(draft, clock, self.dice.rng()) {
            Ok(id) => Ok(Some(id)),
            // The app says so, and its owner comes back later.
            Err(tidewatch_client::Error::OutboxFull) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Its owner worked before the device was ever in touch: so many edits, spread over the time before now.
    ///
    /// # Errors
    /// As the journal.
    pub fn edit_before(&mut self, now: Millis, edits: i64, over_ms: i64) -> Result<(), tidewatch_client::Error> {
        for edit in 0..edits {
            let step = over_ms / edits;
            let after = edit * step + self.dice.between(0, step / 2);
            self.edit(now.plus(after - over_ms))?;
        }
        Ok(())
    }

    /// A round becomes due, after so long without the network.
    pub fn round_begin(&mut self, offline_ms: i64, foreground: bool) {
        self.client.round_begin();
        self.strain.rounds += 1;
        self.strain.foreground = foreground;
        self.strain.offline_ms = self.strain.offline_ms.max(offline_ms);
    }

    /// It has been without the network for so long.
    pub fn away(&mut self, offline_ms: i64) {
        self.strain.offline_ms = self.strain.offline_ms.max(offline_ms);
    }

    /// What the client wants now.
    ///
    /// # Errors
    /// As the journal.
    pub fn next_action(&mut self, now: Millis) -> Result<Action, tidewatch_client::Error> {
        let clock = self.clock(now);
        self.client.next_action(clock, self.dice.rng())
    }

    /// Hands a reply to the client.
    ///
    /// # Errors
    /// As the journal.
    pub fn handle(&mut self, reply: Reply, now: Millis) -> Result<Handled, tidewatch_client::Error> {
        let clock = self.clock(now);
        let handled = self.client.handle(reply, clock, self.dice.rng())?;
        self.strain.failures += u32::from(handled.failed.is_some());
        Ok(handled)
    }

    /// Takes a report and queues it; `stretch` says how many hours an hour of the run stands for in its body.
    pub fn report(&mut self, now: Millis, stretch: f64) -> Value {
        let clock = self.clock(now);
        let outbox = &self.client.state().outbox;
        self.strain.queued = outbox.len();
        self.strain.poisoned = outbox.entries().filter(|entry| entry.poisoned).count();
        self.strain.mesh_off = self.client.state().mesh.as_ref().is_some_and(|mesh| mesh.mode() == MeshMode::Off);
        self.vitals.pass(&self.profile, now, stretch, &self.strain, &mut self.dice);
        let facts = self.vitals.facts(&self.profile, &self.strain, &mut self.dice);
        self.report_seq += 1;
        let report = self.client.report(clock, self.report_seq, facts, self.dice.rng());
        self.client.report_enqueue(&report);
        self.strain = Strain::default();
        report
    }
}

/// The id of a device: a UUID of the seed and its position.
#[must_use]
pub fn device_id(seed: u64, index: u64) -> String {
    let mut bytes = [0_u8; 16];
    Dice::new(seed, "device id", index).rng().fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
