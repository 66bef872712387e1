//! What to measure: read from the command line, which `cargo xtask bench` passes on.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

/// Something that can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// Mutations a second.
    Mutations,
    /// The same from two hundred thousand to two million rows. Takes minutes and gigabytes: only when it is named.
    Growth,
    /// Rows of the change feed a second.
    Feed,
    /// Polls without news a second.
    Polls,
    /// Reports a second.
    Telemetry,
    /// Server time of the console's pages.
    Pages,
    /// Bytes of a first visit.
    Weight,
    /// Memory and start time with a large fleet.
    Memory,
    /// Server time of the outbox with up to a million entries.
    Outbox,
    /// Items a minute of an app's queue over a slow link.
    Queue,
    /// Draining in bulk.
    Drain,
}

impl Measurement {
    const ALL: [(&'static str, Self); 11] = [
        ("mutations", Self::Mutations),
        ("growth", Self::Growth),
        ("feed", Self::Feed),
        ("polls", Self::Polls),
        ("telemetry", Self::Telemetry),
        ("pages", Self::Pages),
        ("weight", Self::Weight),
        ("memory", Self::Memory),
        ("outbox", Self::Outbox),
        ("drain", Self::Drain),
        ("queue", Self::Queue),
    ];

    /// Whether it needs the log and no fleet.
    pub(crate) const fn is_of_log(self) -> bool {
        matches!(self, Self::Mutations | Self::Growth | Self::Feed | Self::Polls)
    }

    /// Whether it needs a fleet of devices.
    pub(crate) const fn is_of_fleet(self) -> bool {
        matches!(self, Self::Telemetry | Self::Pages | Self::Weight | Self::Memory)
    }
}

/// What to measure, and where.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The server's binary.
    pub(crate) binary: PathBuf,
    /// A folder for everything that is written.
    pub(crate) folder: PathBuf,
    /// What to measure.
    pub(crate) chosen: Vec<Measurement>,
    /// Smaller and shorter everywhere: to see that it works, not to compare.
    pub(crate) quick: bool,
    /// Rows of a large log at which mutations are measured again; 0 for not at all.
    pub(crate) rows: u64,
}

impl Options {
    /// Reads `BINARY FOLDER [NAME…] [--quick] [--rows N]`.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut words = words.skip(1);
        let mut path = |what| words.next().map(PathBuf::from).context(what);
        let (binary, folder) = (path("the server's binary is missing")?, path("the folder is missing")?);
        let (mut chosen, mut quick, mut rows) = (Vec::new(), false, 0);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => quick = true,
                "--rows" => rows = words.next().and_then(|text| text.parse().ok()).context("--rows takes a number of rows")?,
                name => match Measurement::ALL.iter().find(|(known, _)| *known == name) {
                    Some((_, measurement)) => chosen.push(*measurement),
                    None => {
                        bail!("{name} is nothing that can be measured: {}", Measurement::ALL.map(|(name, _)| name).join(", "))
                    }
                },
            }
        }
        if chosen.is_empty() {
            chosen = Measurement::ALL.map(|(_, measurement)| measurement).to_vec();
            chosen.retain(|measurement| *measurement != Measurement::Growth);
        }
        Ok(Self { binary, folder, chosen, quick, rows })
    }

    /// Whether this was asked for.
    pub(crate) fn wants(&self, measurement: Measurement) -> bool {
        self.chosen.contains(&measurement)
    }
}
