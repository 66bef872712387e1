//! The real binary is killed at random moments under load, again and again: every intent it acknowledged is there afterwards, and
//! what is left is sound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use reqwest::Client;

use crate::real_binary::{Device, PATIENCE, Server, collections_file, free_address};

/// How often the server is killed.
const KILLS: u64 = 50;
/// Devices that push at the same time.
const DEVICES: usize = 3;
/// Longest and shortest life of the server under load.
const LIFE_MS: std::ops::Range<u64> = 40..400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_intent_survives_fifty_kills() {
    let seed = u64::from(std::process::id()) ^ 0x7469_6465;
    println!("seed {seed}");
    let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let collections = collections_file(dir.path());
    Server::run(&data, &["collections", "import", collections.to_str().expect("a path")], |_| {});
    let enrolment = Server::run(&data, &["token", "create", "--kind", "enrolment", "--scopes", "global"], |_| {});

    let address = free_address();
    let url = format!("http://{address}");
    let http = Client::builder().timeout(PATIENCE).build().expect("a client");
    let mut server = Server::start(&data, address, |_| {});
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(Device::enrol(&url, &http, &enrolment).await);
    }
    for kill in 1..=KILLS {
        let (gone, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let loads = devices.into_iter().map(|mut device| {
            let (gone, acknowledged) = (gone.clone(), acknowledged.clone());
            tokio::spawn(async move {
                device.load(&gone, &acknowledged).await;
                device
            })
        });
        let loads: Vec<_> = loads.collect();
        // At least one batch is answered before the kill, so that each kill puts something at stake.
        let begun = Instant::now();
        while acknowledged.load(Ordering::Relaxed) == 0 {
            assert!(begun.elapsed() < PATIENCE, "nothing was acknowledged before kill {kill}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(LIFE_MS))).await;
        server.kill();
        gone.store(true, Ordering::Relaxed);
        devices = Vec::new();
        for load in loads {
            devices.push(load.await.expect("a device does not panic"));
        }
        server = Server::start(&data, address, |_| {});
        let log = Device::log(&url, &http, &devices[0].token).await.expect("the log");
        for device in &devices {
            let lost: Vec<&String> = device.acknowledged.iter().filter(|id| log.get(*id) != Some(&1)).collect();
            assert!(lost.is_empty(), "seed {seed}, kill {kill}: acknowledged but not exactly once in the log: {lost:?}");
        }
    }
    server.kill();
    // Everything that the last life left is folded together and computed again; a finding is a failure.
    Server::run(&data, &["verify"], |_| {});
}
