//! Sources from web servers: cut, redirected, too large, and where they must not lie.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use panofleet_job_schema::ErrorClass::{Rejected, Transient};
use panofleet_job_schema::Failure;
use panofleet_job_schema::message::{JobMessage, Report};
use panofleet_job_schema::source::SourceLocation;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::site::{Site, progress, script};

/// A request: its path, and its headers by lower-case name.
#[derive(Clone, Debug)]
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
}

/// A web server that answers each request with the bytes that `answer` gives, and closes the connection.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// `answer` gets the number of the request, from 0, and the request.
    async fn start(answer: impl Fn(usize, &Request) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let request = read(&mut stream).await;
                let number = seen.lock().unwrap().len();
                let bytes = answer(number, &request);
                seen.lock().unwrap().push(request);
                stream.write_all(&bytes).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { address, requests, _tasks: tasks }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read(stream: &mut TcpStream) -> Request {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Request {
        path,
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
    }
}

/// A response; with less of a body than its length says, the connection is cut.
fn response(status: &str, headers: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

async fn job(site: &Site, url: String) -> JobMessage {
    let mut message = site.job(serde_json::json!([])).await;
    message.source = SourceLocation::https(url);
    site.send(&message);
    message
}

/// A script of some hundred kilobytes.
fn long_script() -> Vec<u8> {
    let filler: Vec<_> =
        (0..2000).map(|step| progress(0.1, &format!("{step} {}", "x".repeat(40)))).collect();
    script(&filler, &[("a.jpg", 10)]).to_string().into_bytes()
}

async fn fetched(site: &Site, message: &JobMessage, expected: &[u8]) {
    let report = site.outcome(message).await;
    assert!(matches!(report, Report::Succeeded { .. }), "{report:?}");
    let source = site.manifest(message).await.unwrap().source;
    assert_eq!(
        (source.bytes, source.sha256),
        (expected.len() as u64, hex::encode(Sha256::digest(expected)))
    );
}

async fn failure(url: String) -> Failure {
    let site = Site::new().await;
    let message = job(&site, url).await;
    let _running = site.start();
    site.failure(&message).await
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    let site = Site::new().await;
    let body = long_script();
    let (whole, half) = (body.clone(), body.len() / 2);
    let server = Server::start(move |number, request| match number {
        0 => response("200 OK", "etag: \"v1\"\r\n", whole.len(), &whole[..half]),
        _ => {
            let from: usize = request.headers["range"]
                .strip_prefix("bytes=")
                .unwrap()
                .strip_suffix('-')
                .unwrap()
                .parse()
                .unwrap();
            let range = format!(
                "etag: \"v1\"\r\ncontent-range: bytes {from}-{}/{}\r\n",
                whole.len() - 1,
                whole.len()
            );
            response("206 Partial Content", &range, whole.len() - from, &whole[from..])
        }
    })
    .await;
    let message = job(&site, server.url("/a.jpg?signature=secret")).await;
    let _running = site.start();
    fetched(&site, &message, &body).await;
    let second = &server.requests()[1];
    assert_eq!(second.headers["if-range"], "\"v1\"");
    assert_eq!(second.headers["range"], format!("bytes={half}-"));
    assert_eq!(second.path, "/a.jpg?signature=secret");
}

#[tokio::test]
async fn a_source_that_changes_or_has_no_version_is_read_anew() {
    for etag in ["etag: \"v1\"\r\n", "etag: W/\"v1\"\r\n", ""] {
        let site = Site::new().await;
        let body = long_script();
        let (old, new) = (vec![b'-'; 1 << 16], body.clone());
        let server = Server::start(move |number, _| match number {
            0 => response("200 OK", etag, old.len() * 2, &old),
            1 => response("416 Range Not Satisfiable", "", 0, b""),
            2 => response("200 OK", "etag: \"v2\"\r\n", new.len(), &new[..new.len() / 3]),
            _ => response("200 OK", "etag: \"v3\"\r\n", new.len(), &new),
        })
        .await;
        let message = job(&site, server.url("/a.jpg")).await;
        let _running = site.start();
        fetched(&site, &message, &body).await;
        let resumed = server.requests()[1].headers.contains_key("range");
        assert_eq!(resumed, etag.contains(": \""), "only a strong tag promises the same bytes");
    }
}

#[tokio::test]
async fn a_part_from_elsewhere_is_not_put_together_with_what_is_there() {
    for range in ["bytes 7-99/100", "bytes 0-99/100", "items 1-2/3", ""] {
        let site = Site::new().await;
        let body = long_script();
        let (whole, third) = (body.clone(), body.len() / 3);
        let partial = format!("etag: \"v1\"\r\ncontent-range: {range}\r\n");
        let server = Server::start(move |number, _| match number {
            0 => response("200 OK", "etag: \"v1\"\r\n", whole.len(), &whole[..third]),
            1 => response("206 Partial Content", &partial, 4, b"oops"),
            _ => response("200 OK", "etag: \"v1\"\r\n", whole.len(), &whole),
        })
        .await;
        let message = job(&site, server.url("/a.jpg")).await;
        let _running = site.start();
        fetched(&site, &message, &body).await;
        assert!(!server.requests()[2].headers.contains_key("range"), "begun anew");
    }
}

#[tokio::test]
async fn a_server_that_gives_pieces_is_asked_until_it_is_whole() {
    let site = Site::new().await;
    let body = long_script();
    let whole = body.clone();
    let server = Server::start(move |_, request| {
        let asked = request.headers.get("range").and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        let from = asked.unwrap_or(0);
        let to = (from + 60_000).min(whole.len());
        let range =
            format!("etag: \"v1\"\r\ncontent-range: bytes {from}-{}/{}\r\n", to - 1, whole.len());
        response("206 Partial Content", &range, to - from, &whole[from..to])
    })
    .await;
    let message = job(&site, server.url("/a.jpg")).await;
    let _running = site.start();
    fetched(&site, &message, &body).await;
}

#[tokio::test]
async fn statuses_become_failures_with_advice() {
    for (status, class, code, advice) in [
        ("404 Not Found", Rejected, "source_not_found", "check the address"),
        ("410 Gone", Rejected, "source_not_found", "check the address"),
        ("401 Unauthorized", Rejected, "source_forbidden", "needs no login"),
        ("403 Forbidden", Rejected, "source_forbidden", "needs no login"),
        ("405 Method Not Allowed", Rejected, "source_refused", "plain GET"),
        ("204 No Content", Rejected, "source_refused", "plain GET"),
        ("503 Service Unavailable", Transient, "source_unavailable", "503"),
        ("429 Too Many Requests", Transient, "source_unavailable", "429"),
    ] {
        let server = Server::start(move |_, _| response(status, "", 0, b"")).await;
        let failure = failure(server.url("/a.jpg?signature=secret")).await;
        assert_eq!((failure.class, failure.code.as_str()), (class, code), "{status}");
        assert!(
            failure.message.contains(advice) && !failure.message.contains("secret"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn a_server_that_nobody_reaches_is_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure = failure(format!("http://{address}/a.jpg?signature=secret")).await;
    assert_eq!((failure.class, failure.code.as_str()), (Transient, "source_unavailable"));
    assert!(!failure.message.contains("secret"), "{}", failure.message);
}

#[tokio::test]
async fn a_source_past_the_limit_is_refused_whatever_its_length_says() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunks = "400\r\n".to_owned() + &"x".repeat(0x400) + "\r\n";
    for answer in
        [response("200 OK", "", 100_000, b"x"), [chunked, chunks.repeat(8).into_bytes()].concat()]
    {
        let mut site = Site::new().await;
        site.config.source_bytes_max = 4096;
        let server = Server::start(move |_, _| answer.clone()).await;
        let message = job(&site, server.url("/a.jpg")).await;
        let _running = site.start();
        let failure = site.failure(&message).await;
        assert_eq!((failure.class, failure.code.as_str()), (Rejected, "source_too_large"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn redirects_are_followed_and_each_is_judged() {
    let site = Site::new().await;
    let body = long_script();
    let found = body.clone();
    let server = Server::start(move |_, request| match request.path.as_str() {
        "/a" => response("302 Found", "location: /b?x=1\r\n", 0, b""),
        "/b?x=1" => response("307 Temporary Redirect", "location: c\r\n", 0, b""),
        _ => response("200 OK", "", found.len(), &found),
    })
    .await;
    let message = job(&site, server.url("/a")).await;
    let _running = site.start();
    fetched(&site, &message, &body).await;

    for to in [
        "http://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433.example.com:22/",
        "https://[::ffff:10.0.0.1]/",
        "file:///etc/passwd",
        "http://example.com/",
        "gopher://127.0.0.1:1/",
    ] {
        let location = format!("location: {to}\r\n");
        let server =
            Server::start(move |_, _| response("301 Moved Permanently", &location, 0, b"")).await;
        let failure = failure(server.url("/a")).await;
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (Rejected, "source_address_refused"),
            "{to}"
        );
    }

    let server =
        Server::start(move |_, _| response("302 Found", "location: /round\r\n", 0, b"")).await;
    let failure = failure(server.url("/a")).await;
    assert_eq!((failure.class, failure.code.as_str()), (Rejected, "source_redirects"));
    assert_eq!(server.requests().len(), 6);
}

#[tokio::test]
async fn a_name_that_means_a_private_address_is_refused() {
    let mut site = Site::new().await;
    site.config.source_networks = Vec::new();
    let message = job(&site, "https://localhost/a.jpg".to_owned()).await;
    let literal = job(&site, "https://127.0.0.1/a.jpg".to_owned()).await;
    let _running = site.start();
    for message in [message, literal] {
        let failure = site.failure(&message).await;
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (Rejected, "source_address_refused"),
            "{failure:?}"
        );
    }
}

#[tokio::test]
async fn another_file_than_the_one_that_was_announced_is_rejected() {
    let body = long_script();
    let announced = hex::encode(Sha256::digest(&body));
    let whole = body.clone();
    let server = Server::start(move |_, _| response("200 OK", "", whole.len(), &whole)).await;
    for (sha256, fits) in [(announced.clone(), true), ("0".repeat(64), false)] {
        let site = Site::new().await;
        let mut message = site.job(serde_json::json!([])).await;
        let url = server.url("/a.jpg?signature=secret");
        message.source = SourceLocation::https(url).with_sha256(Some(&sha256));
        site.send(&message);
        let _running = site.start();
        if fits {
            fetched(&site, &message, &body).await;
            continue;
        }
        let failure = site.failure(&message).await;
        assert_eq!((failure.class, &*failure.code), (Rejected, "source_checksum_differs"));
        assert!(failure.message.contains(&announced), "{failure:?}");
        assert!(!failure.message.contains("secret"), "{failure:?}");
    }
}
