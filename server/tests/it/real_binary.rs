//! The real binary as a process: started on a folder, killed, and devices that load it over HTTP and remember what it promised.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};

/// Intents in a batch.
const BATCH: u64 = 20;
/// Nothing here takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// The binary with these arguments.
    pub(crate) fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewatch"));
        command.args(arguments);
        command
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(data: &Path, address: SocketAddr, under: impl Fn(&mut Command)) -> Self {
        let mut command = Self::command(&["serve", "--log", "error", "--listen", &address.to_string(), "--data"]);
        command.arg(data).stdout(Stdio::piped()).stderr(Stdio::inherit());
        under(&mut command);
        let mut child = command.spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
        assert!(line.starts_with("Tidewatch listens on"), "the server said {line:?}");
        Self { child }
    }

    /// Runs another command on a folder to its end; what it prints.
    pub(crate) fn run(data: &Path, arguments: &[&str], under: impl Fn(&mut Command)) -> String {
        let mut command = Self::command(arguments);
        command.arg("--data").arg(data);
        under(&mut command);
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
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

/// A file that configures the collection which devices write to.
pub(crate) fn collections_file(dir: &Path) -> PathBuf {
    let file = dir.join("collections.json");
    std::fs::write(&file, br#"[{"name":"assets","policy":{"kind":"lww","clock":"hlc"}}]"#).expect("written");
    file
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// One device and what it was promised.
pub(crate) struct Device {
    url: String,
    http: Client,
    pub(crate) token: String,
    client_id: String,
    next: u64,
    pub(crate) acknowledged: Vec<String>,
}

impl Device {
    /// Registers one.
    pub(crate) async fn enrol(url: &str, http: &Client, enrolment: &str) -> Self {
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
    pub(crate) async fn load(&mut self, gone: &AtomicBool, acknowledged: &AtomicU64) {
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

    /// Operations of the log, all of them, with how often each is there.
    pub(crate) async fn log(url: &str, http: &Client, token: &str) -> reqwest::Result<HashMap<String, u64>> {
        let (mut seen, mut cursor) = (HashMap::new(), "0".to_owned());
        loop {
            let request = http.get(format!("{url}/changes?limit=5000&since={cursor}")).bearer_auth(token);
            let page: Value = request.send().await?.error_for_status()?.json().await?;
            for row in page["changes"].as_array().expect("changes") {
                assert_eq!(row["fields"]["id"], row["operation_id"], "a torn record");
                *seen.entry(row["operation_id"].as_str().expect("an id").to_owned()).or_insert(0) += 1;
            }
            cursor = page["cursor"].as_str().expect("a cursor").to_owned();
            if page["has_more"] == false {
                return Ok(seen);
            }
        }
    }
}
