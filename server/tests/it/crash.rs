//! The real binary is killed at random moments under load, again and again: every intent it acknowledged is there afterwards.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use reqwest::Client;
use serde_json::{Value, json};

/// How often the server is killed.
const KILLS: u64 = 50;
/// Devices that push at the same time.
const DEVICES: usize = 3;
/// Intents in a batch.
const BATCH: u64 = 20;
/// Longest and shortest life of the server under load.
const LIFE_MS: std::ops::Range<u64> = 40..400;
/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
struct Server {
    child: Child,
}

impl Server {
    fn start(data: &Path, address: SocketAddr) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidewatch"))
            .args(["serve", "--log", "error", "--listen", &address.to_string(), "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
        assert!(line.starts_with("Tidewatch listens on"), "the server said {line:?}");
        Self { child }
    }

    fn kill(mut self) {
        self.child.kill().expect("SIGKILL is sent");
        self.child.wait().expect("it is gone");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone after `kill`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(data: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tidewatch")).args(arguments).arg("--data").arg(data).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// One device and what it was promised.
struct Device {
    url: String,
    http: Client,
    token: String,
    client_id: String,
    next: u64,
    acknowledged: Vec<String>,
}

impl Device {
    async fn enrol(url: &str, http: &Client, enrolment: &str) -> Self {
        let answer: Value = http
            .post(format!("{url}/clients"))
            .bearer_auth(enrolment)
            .json(&json!({"platform": "linux"}))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .expect("enrolled")
            .json()
            .await
            .expect("JSON");
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        Self {
            url: url.to_owned(),
            http: http.clone(),
            token: text("access_token"),
            client_id: text("client_id"),
            next: 0,
            acknowledged: Vec::new(),
        }
    }

    /// Pushes new records until the server is gone; remembers those it acknowledged.
    async fn load(&mut self, gone: &AtomicBool, acknowledged: &AtomicU64) {
        while !gone.load(Ordering::Relaxed) {
            let ids: Vec<String> = (self.next..self.next + BATCH).map(|n| format!("{}-{n}", &self.client_id[..8])).collect();
            self.next += BATCH;
            let intents: Vec<Value> = ids
                .iter()
                .map(|id| json!({"operation_id": id, "collection": "assets", "record_id": id, "scope": "global", "op": "create", "fields": {"id": id}}))
                .collect();
            let body = json!({"protocol": 1, "client_id": self.client_id, "mutations": intents});
            let sent = self.http.post(format!("{}/mutations", self.url)).bearer_auth(&self.token).json(&body).send().await;
            let Ok(response) = sent else { return };
            let Ok(answer) = response.json::<Value>().await else { return };
            for result in answer["results"].as_array().into_iter().flatten() {
                assert_eq!(result["status"], "applied", "{result}");
                self.acknowledged.push(result["operation_id"].as_str().expect("an id").to_owned());
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Operations of the log, all of them.
    async fn log(&self) -> std::collections::HashMap<String, u64> {
        let (mut seen, mut cursor) = (std::collections::HashMap::new(), "0".to_owned());
        loop {
            let page: Value = self
                .http
                .get(format!("{}/changes?limit=5000&since={cursor}", self.url))
                .bearer_auth(&self.token)
                .send()
                .await
                .and_then(reqwest::Response::error_for_status)
                .expect("a page")
                .json()
                .await
                .expect("JSON");
            for row in page["changes"].as_array().expect("changes") {
                assert_eq!(row["fields"]["id"], row["operation_id"], "a torn record");
                *seen.entry(row["operation_id"].as_str().expect("an id").to_owned()).or_insert(0) += 1;
            }
            cursor = page["cursor"].as_str().expect("a cursor").to_owned();
            if page["has_more"] == false {
                return seen;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_intent_survives_fifty_kills() {
    let seed = u64::from(std::process::id()) ^ 0x7469_6465;
    println!("seed {seed}");
    let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let collections = dir.path().join("collections.json");
    std::fs::File::create(&collections)
        .and_then(|mut file| file.write_all(br#"[{"name":"assets","policy":{"kind":"lww","clock":"hlc"}}]"#))
        .expect("written");
    run(&data, &["collections", "import", collections.to_str().expect("a path")]);
    let enrolment = run(&data, &["token", "create", "--kind", "enrolment", "--scopes", "global"]);

    let address = free_address();
    let url = format!("http://{address}");
    let http = Client::builder().timeout(PATIENCE).build().expect("a client");
    let mut server = Server::start(&data, address);
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
        server = Server::start(&data, address);
        let log = devices[0].log().await;
        for device in &devices {
            let lost: Vec<&String> = device.acknowledged.iter().filter(|id| log.get(*id) != Some(&1)).collect();
            assert!(lost.is_empty(), "seed {seed}, kill {kill}: acknowledged but not exactly once in the log: {lost:?}");
        }
    }
    server.kill();
}
