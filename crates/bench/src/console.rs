//! A browser's share of the console: signs in, asks for pages as a browser would.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use crate::http::{Answer, Connection, Request};
use crate::server::Place;

const NAME: &str = "bench";
const PASSWORD: &str = "correct horse battery";
/// What a browser sends with every request for a page.
const BROWSER: &str =
    "accept: text/html,application/xhtml+xml\r\nsec-fetch-site: same-origin\r\naccept-encoding: gzip, deflate, br, zstd\r\n";

/// Adds the member of staff who looks at the pages.
pub(crate) fn user_add(place: &Place) -> anyhow::Result<()> {
    place.errand(&["user", "add", NAME, "--role", "operator", "--password-stdin"], PASSWORD).map(drop)
}

/// Somebody signed in.
#[derive(Debug)]
pub(crate) struct Browser {
    connection: Connection,
    head: String,
}

impl Browser {
    pub(crate) async fn sign_in(address: SocketAddr) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address).await?;
        let form = format!("name={NAME}&password={}&next=%2F", PASSWORD.replace(' ', "+"));
        let head = format!("{BROWSER}content-type: application/x-www-form-urlencoded\r\n");
        let answer = connection.send(Request::post("/console/session/sign_in", &head, form.as_bytes())).await?;
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.with_context(|| format!("the sign-in was answered {} without a cookie", answer.status))?;
        Ok(Self { connection, head: format!("{BROWSER}cookie: {cookie}\r\n") })
    }

    /// A page or a file, as it travels.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let answer = self.connection.send(Request::get(path, &self.head)).await?;
        answer.expect(200).with_context(|| path.to_owned())
    }

    /// A page as text.
    pub(crate) async fn read(&mut self, path: &str) -> anyhow::Result<String> {
        let head = self.head.replace("accept-encoding: gzip, deflate, br, zstd\r\n", "");
        let answer = self.connection.send(Request::get(path, &head)).await?.expect(200).with_context(|| path.to_owned())?;
        ensure!(answer.header("content-encoding").is_none(), "{path} is compressed though nobody asked");
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }
}
