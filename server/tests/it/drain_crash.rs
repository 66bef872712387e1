//! The real binary is killed a hundred times while it works off a bulk of twenty thousand: nothing is lost, nothing is done twice, and
//! the job ends under the name of whoever submitted it.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};

use crate::real_binary::{PATIENCE, Server, free_address};

/// How often the server is killed.
const KILLS: u32 = 100;
/// Entries of the bulk.
const ENTRIES: usize = 20_000;
/// Intents in a batch.
const BATCH: usize = 500;
/// How long the server works before it is killed.
const LIFE: Duration = Duration::from_millis(200);
/// Entries a second: slow enough for every kill to fall into the work.
const RATE: u32 = 1_000;

struct Bulk {
    url: String,
    http: Client,
    staff: String,
    second: String,
    device: String,
    client_id: String,
}

impl Bulk {
    async fn post(&self, token: &str, path: &str, body: &Value) -> Value {
        let sent = self.http.post(format!("{}{path}", self.url)).bearer_auth(token).json(body).send().await.expect("an answer");
        let status = sent.status();
        let answer: Value = sent.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {answer}");
        answer
    }

    async fn get(&self, token: &str, path: &str) -> Option<Value> {
        let sent = self.http.get(format!("{}{path}", self.url)).bearer_auth(token).send().await.ok()?;
        sent.json().await.ok()
    }

    /// Intents that are refused because their collection is not there yet.
    async fn refuse(&self) {
        let batches = (0..ENTRIES).step_by(BATCH).map(|from| {
            let intents: Vec<Value> = (from..from + BATCH)
                .map(|n| json!({"operation_id": format!("op-{n:05}"), "collection": "later", "record_id": format!("r-{n:05}"), "scope": "global", "op": "create", "fields": {"n": n}}))
                .collect();
            json!({"protocol": 1, "client_id": self.client_id, "mutations": intents})
        });
        for batch in batches {
            let answer = self.post(&self.device, "/mutations", &batch).await;
            assert!(answer["results"].as_array().expect("results").iter().all(|result| result["status"] == "rejected"));
        }
        let begun = Instant::now();
        loop {
            let report = self.get(&self.staff, "/api/v1/outbox").await.expect("a report");
            if report["listed"] == ENTRIES {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the mirror lists {}", report["listed"]);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Freezes all of it, submits it twice at once, and has it approved.
    async fn submit(&self) -> String {
        let order = json!({"action": "retry", "dependants": "cut", "selection": {"filter": "state:poisoned"}});
        let set = self.post(&self.staff, "/api/v1/outbox/drain/previews", &order).await;
        assert_eq!(set["entries"], ENTRIES);
        let body = json!({
            "set": set["set"], "count": ENTRIES, "typed_count": ENTRIES, "hash": set["hash"], "selection": set["selection"],
            "reason": "the collection is there now", "idempotency_key": set["idempotency_key"], "canary": 5, "rate_per_s": RATE,
        });
        let submit = || self.post(&self.staff, "/api/v1/outbox/drain/jobs", &body);
        let both = join_all([submit(), submit()]).await;
        assert_eq!(both[0]["job"], both[1]["job"]);
        let job = both[0]["job"].as_str().expect("an id").to_owned();
        self.post(&self.second, &format!("/api/v1/outbox/drain/jobs/{job}/approve"), &json!({})).await;
        job
    }

    /// Waits until the mirror has followed the journal to its end.
    async fn followed(&self) {
        let begun = Instant::now();
        loop {
            let left = self.get(&self.staff, "/api/v1/outbox/entries?q=state:poisoned&limit=1").await.expect("a list");
            if left["rows"].as_array().is_some_and(Vec::is_empty) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the mirror does not follow: {left}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Operations of the log, with how often each is there.
    async fn log(&self) -> HashMap<String, u32> {
        let (mut seen, mut cursor) = (HashMap::new(), "0".to_owned());
        loop {
            let page = self.get(&self.device, &format!("/changes?limit=5000&since={cursor}")).await.expect("a page");
            for row in page["changes"].as_array().expect("changes") {
                *seen.entry(row["operation_id"].as_str().expect("an id").to_owned()).or_insert(0) += 1;
            }
            cursor = page["cursor"].as_str().expect("a cursor").to_owned();
            if page["has_more"] == false {
                return seen;
            }
        }
    }
}

fn start(data: &std::path::Path, address: std::net::SocketAddr) -> Server {
    Server::start(data, address, |_| ())
}

fn run(data: &std::path::Path, arguments: &[&str]) -> String {
    Server::run(data, arguments, |_| ())
}

fn import(data: &std::path::Path, dir: &std::path::Path, name: &str) {
    let file = dir.join("collections.json");
    let text = json!([{"name": name, "policy": {"kind": "lww"}}]).to_string();
    std::fs::File::create(&file).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
    run(data, &["collections", "import", file.to_str().expect("a path")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_survives_a_hundred_kills_and_does_nothing_twice() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let token = |arguments: &[&str]| run(&data, &[&["token", "create"], arguments].concat());
    let enrolment = token(&["--name", "all", "--kind", "enrolment", "--scopes", "global"]);
    let staff = token(&["--name", "night", "--kind", "api", "--role", "operator"]);
    let second = token(&["--name", "owner", "--kind", "api", "--role", "product_owner"]);
    let address = free_address();
    let (url, http) = (format!("http://{address}"), Client::builder().timeout(PATIENCE).build().expect("a client"));
    let mut server = start(&data, address);
    let mut bulk = Bulk { url, http, staff, second, device: String::new(), client_id: String::new() };
    let enrolled = bulk.post(&enrolment, "/clients", &json!({"platform": "linux"})).await;
    let text = |name: &str| enrolled[name].as_str().expect("a text").to_owned();
    (bulk.device, bulk.client_id) = (text("access_token"), text("client_id"));
    bulk.refuse().await;
    import(&data, dir.path(), "later");
    let job = bulk.submit().await;
    let (path, mut least) = (format!("/api/v1/outbox/drain/jobs/{job}"), 0);
    for kill in 1..=KILLS {
        tokio::time::sleep(LIFE).await;
        server.kill();
        server = start(&data, address);
        let view = bulk.get(&bulk.staff, &path).await.expect("the job is there");
        let done = view["tally"]["ok"].as_u64().expect("a count");
        assert!(done >= least, "kill {kill}: {done} are done, {least} were before");
        least = done;
    }
    assert!((least as usize) < ENTRIES, "every kill fell into the work");
    let begun = Instant::now();
    let view = loop {
        let view = bulk.get(&bulk.staff, &path).await.expect("the job is there");
        if view["finished"].is_string() {
            break view;
        }
        assert!(begun.elapsed() < 3 * PATIENCE, "the job does not end: {view}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!((view["state"].as_str(), view["created_by"].as_str()), (Some("done"), Some("token:night")), "{view}");
    assert_eq!(view["tally"]["ok"], ENTRIES, "{view}");
    let log = bulk.log().await;
    let wrong: Vec<String> = (0..ENTRIES).map(|n| format!("op-{n:05}")).filter(|id| log.get(id) != Some(&1)).collect();
    assert!(wrong.is_empty(), "not exactly once in the log: {wrong:?}");
    bulk.followed().await;
    server.kill();
    let said = run(&data, &["verify"]);
    assert!(said.starts_with("Sound:"), "{said}");
}
