//! The power goes while the real binary takes batches: whatever the disk keeps of what was not synced, every acknowledged intent
//! is there afterwards, and the store is sound. With the durability that promises less, the same test has to find losses.

mod disk;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use reqwest::{Client, StatusCode};

use self::disk::{Disk, Left};
use crate::real_binary::{Device, PATIENCE, Server, collections_file, free_address};

/// What is compiled and preloaded.
const JOURNAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/power_loss/journal.c");
/// Disks that are tried for each loss of power.
const DISKS: [Left; 5] = [Left::Nothing, Left::Some, Left::Most, Left::Some, Left::Some];
/// How often the power goes.
const TURNS: u64 = 3;
/// How long the server takes batches before the power goes.
const LIFE_MS: std::ops::Range<u64> = 300..1_600;

/// A store under a journal, from its birth to the moment when the power went.
struct Outage {
    dir: tempfile::TempDir,
    acknowledged: Vec<String>,
    token: String,
    disk: Disk,
    rng: rand::rngs::SmallRng,
}

/// The journal as a library.
fn library(dir: &Path) -> PathBuf {
    let built = dir.join("journal.so");
    let compiler = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .arg(&built)
        .arg(JOURNAL)
        .arg("-lpthread")
        .output()
        .expect("there is a C compiler, which SQLite was compiled with");
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
    built
}

impl Outage {
    /// Takes batches until the power goes.
    async fn happen(seed: u64, durability: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
        let (disk, journal) = (dir.path().join("disk"), dir.path().join("journal"));
        std::fs::create_dir(&disk).expect("a folder");
        let disk = disk.canonicalize().expect("a path");
        let library = library(dir.path());
        let under = |command: &mut Command| {
            command.env("LD_PRELOAD", &library).env("POWER_LOSS_ROOT", &disk).env("POWER_LOSS_JOURNAL", &journal);
            command.env("TIDEWATCH_DURABILITY", durability);
        };
        let data = disk.join("data");
        let collections = collections_file(dir.path());
        Server::run(&data, &["collections", "import", collections.to_str().expect("a path")], under);
        let enrolment = Server::run(&data, &["token", "create", "--kind", "enrolment", "--scopes", "global"], under);
        let address = free_address();
        let server = Server::start(&data, address, under);
        let http = Client::builder().timeout(PATIENCE).build().expect("a client");
        let mut device = Device::enrol(&format!("http://{address}"), &http, &enrolment).await;
        let token = device.token.clone();
        let (gone, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let load = tokio::spawn({
            let (gone, count) = (Arc::clone(&gone), Arc::clone(&count));
            async move {
                device.load(&gone, &count).await;
                device
            }
        });
        let begun = Instant::now();
        while count.load(Ordering::Relaxed) < 60 {
            assert!(begun.elapsed() < PATIENCE, "nothing was acknowledged");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(LIFE_MS))).await;
        server.kill();
        gone.store(true, Ordering::Relaxed);
        let device = load.await.expect("a device does not panic");
        let disk = Disk::read(&std::fs::read(&journal).expect("a journal"));
        Self { dir, acknowledged: device.acknowledged, token, disk, rng }
    }

    /// Puts one disk that could be left in place, starts on it, and names what is missing; an error when the store is not sound
    /// or does not start. `warned`: the note of how far the log had reached is left, so that a shorter log is refused.
    async fn missing(&mut self, left: Left, warned: bool) -> Result<Vec<String>, String> {
        let root = self.dir.path().join("disk").canonicalize().expect("a path");
        let target = tempfile::tempdir_in(self.dir.path()).expect("a folder");
        self.disk.write(&root, target.path(), left, &mut self.rng);
        if !warned {
            // It may not be there: its name was not synced either.
            let _ = std::fs::remove_file(target.path().join("data.head-hint"));
        }
        let data = target.path().join("data");
        let verified = Server::command(&["verify"]).arg("--data").arg(&data).output().expect("the binary runs");
        if !verified.status.success() {
            return Err(format!("{}{}", String::from_utf8_lossy(&verified.stdout), String::from_utf8_lossy(&verified.stderr)));
        }
        let address = free_address();
        let _server = Server::start(&data, address, |_| {});
        let http = Client::builder().timeout(PATIENCE).build().expect("a client");
        match Device::log(&format!("http://{address}"), &http, &self.token).await {
            Ok(log) => Ok(self.acknowledged.iter().filter(|id| log.get(*id) != Some(&1)).cloned().collect()),
            // A device that is not known any more has lost everything.
            Err(error) if error.status() == Some(StatusCode::UNAUTHORIZED) => Ok(self.acknowledged.clone()),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_intent_survives_a_loss_of_power() {
    for turn in 0..TURNS {
        let seed = u64::from(std::process::id()) << 8 | turn;
        println!("seed {seed}");
        let mut outage = Outage::happen(seed, "full").await;
        for (number, left) in DISKS.into_iter().enumerate() {
            let missing = outage.missing(left, true).await;
            assert_eq!(missing, Ok(Vec::new()), "seed {seed}, disk {number} ({left:?})");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lesser_durability_is_seen_to_lose_acknowledged_intents() {
    let mut outage = Outage::happen(1, "normal").await;
    let mut lost = 0;
    for (number, left) in DISKS.into_iter().enumerate() {
        lost += outage.missing(left, false).await.unwrap_or_else(|error| panic!("disk {number} ({left:?}): {error}")).len();
    }
    assert!(lost > 0, "a test that sees no loss proves nothing");
}
