//! A keep-alive HTTP/1.1 connection that does as little as it can: driver and server share the machine's cores, and whatever a
//! client costs here is missing there. Knows nothing of what it asks for.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// Nothing that is measured may take this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// No answer is larger.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// No head of an answer has more lines.
const HEAD_LINES_MAX: usize = 100;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Lines of the head, each with its line end.
    pub(crate) head: &'a str,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) const fn get(path: &'a str, head: &'a str) -> Self {
        Self { method: "GET", path, head, body: &[] }
    }

    pub(crate) const fn post(path: &'a str, head: &'a str, body: &'a [u8]) -> Self {
        Self { method: "POST", path, head, body }
    }
}

/// What came back, as it travelled.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of this name, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The answer, when it has this status.
    pub(crate) fn expect(self, status: u16) -> anyhow::Result<Self> {
        if self.status != status {
            let text: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
            bail!("answered {} instead of {status}: {text}", self.status);
        }
        Ok(self)
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), out: Vec::new() })
    }

    pub(crate) async fn send(&mut self, request: Request<'_>) -> anyhow::Result<Answer> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        let about = || format!("{} {}", request.method, request.path);
        answer.with_context(|| format!("{} took more than {} s", about(), PATIENCE.as_secs()))?.with_context(about)
    }

    async fn exchange(&mut self, request: Request<'_>) -> anyhow::Result<Answer> {
        self.out.clear();
        let Request { method, path, head, body } = request;
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.out.extend_from_slice(format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n{head}{length}\r\n").as_bytes());
        self.out.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.out).await?;
        let (status, head) = self.head().await?;
        let mut answer = Answer { status, head, body: Vec::new() };
        if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            self.chunks(&mut answer.body).await?;
        } else if let Some(length) = answer.header("content-length") {
            let length = length.parse().context("content-length is no number")?;
            self.bytes(&mut answer.body, length).await?;
        } else {
            ensure!(matches!(status, 204 | 304), "the answer {status} has no length");
        }
        Ok(answer)
    }

    async fn head(&mut self) -> anyhow::Result<(u16, String)> {
        let mut head = String::new();
        for _ in 0..HEAD_LINES_MAX {
            let before = head.len();
            self.stream.read_line(&mut head).await?;
            ensure!(head.len() > before, "the server closed the connection");
            if &head[before..] == "\r\n" {
                let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).context("the answer has no status")?;
                return Ok((status, head));
            }
        }
        bail!("the head of the answer does not end")
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> anyhow::Result<()> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await?;
            let length = usize::from_str_radix(line.trim_end(), 16).context("a chunk without its length")?;
            self.bytes(body, length).await?;
            let mut end = [0; 2];
            self.stream.read_exact(&mut end).await?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    async fn bytes(&mut self, body: &mut Vec<u8>, length: usize) -> anyhow::Result<()> {
        let start = body.len();
        ensure!(start + length <= BODY_BYTES_MAX, "the answer is longer than {BODY_BYTES_MAX} bytes");
        body.resize(start + length, 0);
        self.stream.read_exact(&mut body[start..]).await?;
        Ok(())
    }
}
