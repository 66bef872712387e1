//! Parts of snapshots over a link that breaks off, against a server of a few lines.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Answers one connection after the other with these bytes and closes it; then gives the requests back.
async fn answering(listener: TcpListener, answers: Vec<&'static [u8]>) -> Vec<String> {
    let mut requests = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
        while !request.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer).await.expect("a request");
            assert_ne!(read, 0, "the request ends with an empty line");
            request.extend_from_slice(&buffer[..read]);
        }
        requests.push(String::from_utf8(request).expect("text").to_lowercase());
        stream.write_all(answer).await.expect("answered");
        stream.shutdown().await.expect("closed");
    }
    requests
}

fn part(range: Option<(u64, String)>) -> Request {
    Request {
        purpose: Purpose::SnapshotPart,
        path: "/snapshots/abc/parts/1".to_owned(),
        bearer: Some("t".to_owned()),
        client_id: None,
        schema_version: 1,
        body: None,
        range,
    }
}

#[tokio::test]
async fn what_came_of_a_part_is_handed_on_as_it_was_sent_and_the_rest_is_asked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let transport = HttpTransport::new(&format!("http://{}", listener.local_addr().expect("an address"))).expect("made");
    let half = b"HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-length: 10\r\n\r\nnot z";
    let rest = b"HTTP/1.1 206 Partial Content\r\ncontent-encoding: zstd\r\ncontent-length: 5\r\n\r\nstd !";
    let gone = b"HTTP/1.1 404 Not Found\r\ncontent-length: 20\r\n\r\n{\"code\":\"not_found\"}";
    let served = tokio::spawn(answering(listener, vec![half, rest, gone]));
    let came = |reply: Reply| match reply {
        Reply::Bytes { status, bytes, .. } => (status, String::from_utf8(bytes).expect("text")),
        other => panic!("{other:?}"),
    };
    assert_eq!(came(transport.send(&part(None)).await), (200, "not z".to_owned()));
    assert_eq!(came(transport.send(&part(Some((5, "ab".to_owned())))).await), (206, "std !".to_owned()));
    let reply = transport.send(&part(None)).await;
    assert!(matches!(reply, Reply::Answer { status: 404, ref body, .. } if body["code"] == "not_found"), "{reply:?}");
    let requests = served.await.expect("served");
    assert!(requests[0].contains("accept-encoding: zstd\r\n") && !requests[0].contains("range:"), "{}", requests[0]);
    assert!(
        requests[1].contains("\r\nrange: bytes=5-\r\n") && requests[1].contains("\r\nif-range: \"ab\"\r\n"),
        "{}",
        requests[1]
    );
}
