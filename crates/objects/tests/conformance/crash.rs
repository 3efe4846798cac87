//! Killing the embedded server at any point leaves each object whole or absent.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use panofleet_objects::client::{PutIfAbsent, PutOptions};
use panofleet_objects::server::serve;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::servers::{BUCKET, Embedded, Store, server_config};

/// Names the folder to the process that is going to be killed.
const ROOT: &str = "PANOFLEET_CRASH_TEST_ROOT";
const READY: &str = "serving at ";
const BYTES: usize = 200_000;

/// Not a test: the server process of `kill_9_leaves_each_object_whole_or_absent`.
#[test]
#[ignore = "runs as a process of its own, started by another test"]
fn serve_until_killed() {
    #[expect(clippy::disallowed_methods, reason = "how the parent says what to serve")]
    let root = std::env::var(ROOT).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{READY}{}", listener.local_addr().unwrap());
        serve(listener, server_config(Path::new(&root)), CancellationToken::new()).await.unwrap();
    });
}

/// A server in a process of its own. Killed when dropped.
struct Victim {
    child: Child,
    store: Store,
}

impl Victim {
    fn over(root: &Path) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the process to be killed")]
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command
            .args(["--ignored", "--exact", "--nocapture", "crash::serve_until_killed"])
            .env(ROOT, root)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.filter_map(|line| line.split_once(READY).map(|(_, a)| a.to_owned()));
        let address = address.take(1).next().expect("the server starts");
        Self { child, store: Store::at(&format!("http://{address}")) }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Content that tells which put it came from, and whether it is whole.
fn content(put: usize) -> Bytes {
    Bytes::from(format!("{put:08}").repeat(BYTES / 8))
}

fn put_of(content: &[u8]) -> usize {
    let put = std::str::from_utf8(&content[..8]).unwrap().parse().unwrap();
    assert!(content == self::content(put), "a torn object");
    put
}

/// What a writer was told before the server died.
#[derive(Default)]
struct Told {
    overwrites: Option<usize>,
    created: Vec<usize>,
}

/// Overwrites one key and creates others until the server is gone.
async fn write_until_refused(
    store: &Store,
    writer: usize,
    answers: &tokio::sync::Semaphore,
) -> Told {
    let options = PutOptions::of_type("text/plain");
    let mut told = Told::default();
    for round in 0.. {
        let put = writer * 10_000 + round;
        let key = format!("writer/{writer}");
        let sent = store.objects.put_bytes(BUCKET, &key, content(put), &options).await;
        if sent.is_err() {
            return told;
        }
        told.overwrites = Some(put);
        let key = format!("once/{put}");
        match store.objects.put_if_absent(BUCKET, &key, content(put), "text/plain").await {
            Ok(PutIfAbsent::Created) => told.created.push(put),
            Ok(PutIfAbsent::Exists) => panic!("{key} is put once"),
            Err(_) => return told,
        }
        answers.add_permits(1);
    }
    unreachable!("the server is killed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_leaves_each_object_whole_or_absent() {
    const WRITERS: usize = 6;
    let dir = Arc::new(tempfile::tempdir().unwrap());
    for answers_before in [1, 7, 20] {
        let victim = Victim::over(dir.path());
        victim.store.objects.create_bucket(BUCKET).await.unwrap();
        let store = victim.store.impatient();
        let answers = tokio::sync::Semaphore::new(0);
        let writers = (0..WRITERS).map(|writer| write_until_refused(&store, writer, &answers));
        let kill = async {
            let enough = answers.acquire_many(answers_before).await.unwrap();
            drop(victim);
            drop(enough);
        };
        let (told, ()) = tokio::join!(join_all(writers), kill);

        let survivor = Embedded::over(Arc::clone(&dir)).await;
        check(&survivor.store(), &told).await;
        let staging = survivor.root().join("staging");
        assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0, "leftovers are swept");
        survivor.stop().await;
        std::fs::remove_dir_all(dir.path().join("buckets")).unwrap();
    }
}

async fn check(store: &Store, told: &[Told]) {
    for (writer, told) in told.iter().enumerate() {
        let key = format!("writer/{writer}");
        match store.objects.get_bytes(BUCKET, &key, BYTES as u64).await {
            // The last put may have happened although nobody was told.
            Ok(found) => assert!(told.overwrites.is_none_or(|last| put_of(&found) >= last)),
            Err(error) => assert!(told.overwrites.is_none(), "{key}: {error}"),
        }
        for put in &told.created {
            let key = format!("once/{put}");
            let found = store.objects.get_bytes(BUCKET, &key, BYTES as u64).await.unwrap();
            assert_eq!(put_of(&found), *put);
        }
    }
    let mut page = None;
    loop {
        let listed = store.objects.list(BUCKET, "once/", page.as_deref()).await.unwrap();
        for key in &listed.keys {
            let found = store.objects.get_bytes(BUCKET, key, BYTES as u64).await.unwrap();
            assert_eq!(format!("once/{}", put_of(&found)), *key);
        }
        page = listed.next;
        if page.is_none() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_a_killed_server_are_swept_and_objects_stay() {
    let server = Embedded::start().await;
    let options = PutOptions::of_type("text/plain");
    server.store().objects.put_bytes(BUCKET, "k", content(1), &options).await.unwrap();
    let dir = server.abort().await;
    // Killed between writing and renaming: a whole file that nobody was told of, and half of one.
    let object = dir.path().join("buckets").join(BUCKET).join("=k");
    let staging = dir.path().join("staging");
    std::fs::copy(&object, staging.join(".tmpA")).unwrap();
    std::fs::write(staging.join(".tmpB"), b"half").unwrap();
    // Killed between linking and unlinking: the object has two names.
    std::fs::hard_link(&object, staging.join(".tmpC")).unwrap();

    let server = Embedded::over(dir).await;
    let found = server.store().objects.get_bytes(BUCKET, "k", BYTES as u64).await.unwrap();
    assert_eq!(put_of(&found), 1);
    assert_eq!(std::fs::read_dir(server.root().join("staging")).unwrap().count(), 0);
    assert_eq!(server.store().objects.list(BUCKET, "", None).await.unwrap().keys, ["k"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multipart_upload_survives_its_server() {
    let server = Embedded::start().await;
    let begun = server.store().sdk().create_multipart_upload().bucket(BUCKET).key("k");
    let begun = begun.content_type("video/mp4").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let mut parts = Vec::new();
    let mut server = Some(server);
    for (number, content) in [(1, crate::round_trips::pattern(5 * 1024 * 1024)), (2, content(2))] {
        let sdk = server.as_ref().unwrap().store().sdk();
        let put = sdk.upload_part().bucket(BUCKET).key("k").upload_id(id).part_number(number);
        let put = put.body(content.into()).send().await.unwrap();
        let part = aws_sdk_s3::types::CompletedPart::builder().part_number(number);
        parts.push(part.set_e_tag(put.e_tag).build());
        let dir = server.take().unwrap().abort().await;
        server = Some(Embedded::over(dir).await);
    }
    let server = server.unwrap();
    let parts =
        aws_sdk_s3::types::CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let sdk = server.store().sdk();
    let complete = sdk.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(id);
    complete.multipart_upload(parts).send().await.unwrap();
    let found = server.store().objects.get_bytes(BUCKET, "k", 10_000_000).await.unwrap();
    let expected = [crate::round_trips::pattern(5 * 1024 * 1024), content(2)].concat();
    assert!(found == expected);
    let head = server.store().objects.head(BUCKET, "k").await.unwrap();
    assert_eq!(head.content_type.as_deref(), Some("video/mp4"));
    server.stop().await;
}
