//! An upload that is interrupted and gone on with: what is there already is not sent again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use panofleet_tests::fleet::{Fleet, Kind};
use panofleet_tests::{eventually, processes};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::site::{PATIENCE, fixture};

const PART_BYTES: usize = 5 * 1024 * 1024;

/// What stands before the store: it lets requests through, and remembers which parts were put.
#[derive(Clone, Debug, Default)]
struct Gate(Arc<Mutex<Passed>>);

#[derive(Debug, Default)]
struct Passed {
    store: Option<SocketAddr>,
    /// The parts that were put, in their order, those that were held among them.
    parts: Vec<u32>,
    /// From so many parts on, none is let through.
    parts_max: Option<usize>,
}

impl Gate {
    /// Serves until it is dropped; where.
    async fn open(&self) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, gate) = (listener.local_addr().unwrap(), self.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let gate = gate.clone();
                connections.spawn(async move { gate.pass(stream).await });
            }
        });
        (address, tasks)
    }

    /// Lets one connection's requests through; `None` when it ends.
    async fn pass(&self, client: TcpStream) -> Option<()> {
        let store = self.0.lock().unwrap().store.expect("the store is known");
        let store = TcpStream::connect(store).await.ok()?;
        let ((client, mut back), (mut answers, mut to)) = (client.into_split(), store.into_split());
        let answering = async {
            drop(tokio::io::copy(&mut answers, &mut back).await);
            None
        };
        let asking = async {
            let mut client = BufReader::new(client);
            loop {
                let (mut head, mut bytes) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let mut line = String::new();
                    if client.read_line(&mut line).await.ok()? == 0 {
                        return None;
                    }
                    head.push_str(&line);
                    if let Some((name, value)) = line.split_once(':')
                        && name.eq_ignore_ascii_case("content-length")
                    {
                        bytes = value.trim().parse().ok()?;
                    }
                }
                self.note(&head).await;
                to.write_all(head.as_bytes()).await.ok()?;
                tokio::io::copy(&mut (&mut client).take(bytes), &mut to).await.ok()?;
            }
        };
        tokio::select! { none = answering => none, none = asking => none }
    }

    /// Remembers a part; one too many is held for ever.
    async fn note(&self, head: &str) {
        let Some(number) = head.split("partNumber=").nth(1) else { return };
        let number = number.split(['&', ' ']).next().unwrap().parse().unwrap();
        let held = {
            let mut passed = self.0.lock().unwrap();
            passed.parts.push(number);
            passed.parts_max.is_some_and(|most| passed.parts.len() > most)
        };
        if held {
            std::future::pending::<()>().await;
        }
    }

    fn parts(&self) -> Vec<u32> {
        self.0.lock().unwrap().parts.clone()
    }

    /// Forgets what went through; from now on so many parts go.
    fn let_through(&self, parts_max: Option<usize>) {
        let mut passed = self.0.lock().unwrap();
        passed.parts.clear();
        passed.parts_max = parts_max;
    }
}

/// A service with a gate before its store, for what comes by addresses that the API signs.
struct Gated {
    fleet: Fleet,
    gate: Gate,
    _serving: JoinSet<()>,
}

impl Gated {
    async fn start() -> Self {
        let gate = Gate::default();
        let (address, serving) = gate.open().await;
        let public = format!("store.public_url=http://{address}");
        let part_bytes = format!("api.uploads.part_bytes={PART_BYTES}");
        let fleet = Fleet::start(Kind::OneProcess, &[&public, &part_bytes]).await;
        let up = std::fs::read(fleet.folder().join("up.json")).unwrap();
        let up: Value = serde_json::from_slice(&up).unwrap();
        let store = up["store"].as_str().unwrap().strip_prefix("http://").unwrap();
        gate.0.lock().unwrap().store = Some(store.parse().unwrap());
        Self { fleet, gate, _serving: serving }
    }
}

/// A picture with much behind it that no decoder looks at.
fn picture(fleet: &Fleet, bytes: usize) -> (PathBuf, Vec<u8>) {
    let mut picture = fixture("equirect.jpg");
    picture.resize(bytes, 0);
    let file = fleet.folder().join("large.jpg");
    std::fs::write(&file, &picture).unwrap();
    (file, picture)
}

#[expect(clippy::disallowed_methods, reason = "the test is a person at a terminal")]
fn submit(fleet: &Fleet, file: &Path) -> Child {
    let mut command = Command::new(processes::program("panofleet"));
    command.arg("--data").arg(fleet.folder()).arg("submit").arg(file);
    command.args(["--output", "small=image.thumbnail", "--json", "--wait"]);
    command.env("XDG_STATE_HOME", fleet.folder().join("state"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// What a command that ends well has said.
async fn said(child: Child) -> Value {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing disturbs a script");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn notes(fleet: &Fleet) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fleet.folder().join("state/panofleet/uploads"));
    entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_goes_on_where_it_was() {
    let Gated { fleet, gate, .. } = &Gated::start().await;
    let (file, picture) = picture(fleet, 8 * PART_BYTES + 1000);
    gate.let_through(Some(5));
    let mut first = submit(fleet, &file);
    let status = eventually("five parts are there", PATIENCE, async || {
        let note: Value =
            serde_json::from_slice(&std::fs::read(notes(fleet).first()?).ok()?).ok()?;
        let path = format!("/v1/uploads/{}", note["upload"].as_str()?);
        let status = fleet.api.get(&path).await.ok()?;
        let there = status["parts"]["there"].as_array()?.len();
        (there == 5 && gate.parts().len() > 5).then_some(status)
    })
    .await;
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!((&status["state"], &status["parts"]["count"]), (&"open".into(), &9.into()));
    let there = status["parts"]["there"].as_array().unwrap().iter();
    let there: BTreeSet<u64> = there.map(|part| part["number"].as_u64().unwrap()).collect();

    gate.let_through(None);
    let job = said(submit(fleet, &file)).await;
    let mut sent: Vec<u64> = gate.parts().into_iter().map(u64::from).collect();
    sent.sort_unstable();
    let missing: Vec<u64> = (1..=9).filter(|number| !there.contains(number)).collect();
    assert_eq!(sent, missing);
    assert_eq!(job["manifest"]["source"]["sha256"], hex::encode(Sha256::digest(&picture)));
    assert_eq!(notes(fleet), Vec::<PathBuf>::new());

    // A job has named it: the next is a new upload.
    gate.let_through(None);
    said(submit(fleet, &file)).await;
    assert_eq!(gate.parts().len(), 9);
}

/// Even if nobody can see by its size and its time that it is another.
#[tokio::test(flavor = "multi_thread")]
async fn another_file_of_the_same_name_is_another_upload() {
    let Gated { fleet, gate, .. } = &Gated::start().await;
    let (file, mut picture) = picture(fleet, 7 * PART_BYTES);
    gate.let_through(Some(2));
    let mut first = submit(fleet, &file);
    eventually("some parts are put", PATIENCE, async || (gate.parts().len() > 2).then_some(()))
        .await;
    first.kill().unwrap();
    first.wait().unwrap();
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    *picture.last_mut().unwrap() = 1;
    std::fs::write(&file, &picture).unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    gate.let_through(None);
    let job = said(submit(fleet, &file)).await;
    assert_eq!(gate.parts().len(), 7);
    assert_eq!(job["manifest"]["source"]["sha256"], hex::encode(Sha256::digest(&picture)));
}
