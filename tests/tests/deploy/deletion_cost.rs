//! The sidecar of workers, beside a worker and a cluster that only say what it needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::docker;

/// How long it may take to say anything.
const DEADLINE: Duration = Duration::from_secs(30);

/// What was asked, and with what body.
#[derive(Debug)]
struct Asked {
    line: String,
    headers: String,
    body: String,
}

/// Answers every request with what `answer` holds. Gives the address, and hears what was asked.
fn serve(answer: Arc<Mutex<String>>) -> (String, mpsc::Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (heard, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let (mut line, mut headers, mut bytes) = (String::new(), String::new(), 0);
            reader.read_line(&mut line).expect("a request");
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).expect("a header");
                if header.trim().is_empty() {
                    break;
                }
                if let Some(length) = header.to_lowercase().strip_prefix("content-length:") {
                    bytes = length.trim().parse().expect("a number");
                }
                headers.push_str(&header);
            }
            let mut body = vec![0; bytes];
            reader.read_exact(&mut body).expect("a body");
            let text = answer.lock().expect("nobody panics").clone();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                text.len()
            );
            stream.write_all((head + &text).as_bytes()).expect("an answer");
            let body = String::from_utf8(body).expect("text");
            if heard.send(Asked { line, headers, body }).is_err() {
                return;
            }
        }
    });
    (address, asked)
}

/// Ended when it is dropped.
struct Sidecar(Child);

impl Drop for Sidecar {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test starts what it tests")]
fn a_worker_with_more_to_do_costs_more() {
    let metrics = |busy: u32| {
        format!(
            "# TYPE panofleet_worker_slots gauge\npanofleet_worker_slots 4\npanofleet_worker_slots_busy {busy}\n"
        )
    };
    let worker_says = Arc::new(Mutex::new(metrics(0)));
    let (worker, _asked) = serve(Arc::clone(&worker_says));
    let (cluster, patches) = serve(Arc::new(Mutex::new("{}".to_owned())));
    let account = tempfile::tempdir().expect("a folder");
    std::fs::write(account.path().join("token"), "sesame").expect("a file");
    std::fs::write(account.path().join("ca.crt"), "").expect("a file");
    let _sidecar = Sidecar(
        Command::new("sh")
            .arg(docker().join("kubernetes/base/region/deletion-cost.sh"))
            .env("ACCOUNT", account.path())
            .env("KUBERNETES", cluster)
            .env("METRICS", format!("{worker}/metrics"))
            .envs([("PERIOD_S", "0.1"), ("NAMESPACE", "panofleet"), ("POD", "worker-x")])
            .stdin(Stdio::null())
            .spawn()
            .expect("a shell, and curl, which ./dev test installs"),
    );
    let cost = |busy| {
        format!(
            r#"{{"metadata":{{"annotations":{{"controller.kubernetes.io/pod-deletion-cost":"{busy}"}}}}}}"#
        )
    };
    let first = patches.recv_timeout(DEADLINE).expect("a patch");
    assert_eq!(first.body, cost(0));
    assert!(
        first.line.starts_with("PATCH /api/v1/namespaces/panofleet/pods/worker-x "),
        "{first:?}"
    );
    assert!(first.headers.contains("Bearer sesame"), "{first:?}");
    assert!(first.headers.contains("application/merge-patch+json"), "{first:?}");
    *worker_says.lock().expect("nobody panics") = metrics(3);
    // The next that it says is the change: what stays the same is not said again.
    assert_eq!(patches.recv_timeout(DEADLINE).expect("another").body, cost(3));
}
