//! Downloads over connections that break.

use http::Method;
use panofleet_job_schema::Span;
use panofleet_objects::client::{DownloadTo, Downloaded, PutOptions};
use panofleet_objects::{ObjectStore, ObjectsConfig, ObjectsError};

use crate::faults::{Fault, Proxy};
use crate::round_trips::pattern;
use crate::servers::{BUCKET, Store, config};

crate::suite!(
    a_cut_download_goes_on_where_it_broke,
    a_download_that_never_moves_is_given_up,
    an_object_that_changes_meanwhile_is_read_anew,
    a_cut_read_into_memory_is_repeated,
    uploads_survive_broken_connections,
);

const BYTES: usize = 300_000;

async fn download(store: &Store, key: &str) -> Result<(Downloaded, Vec<u8>), ObjectsError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let to = DownloadTo { path: &path, bytes_max: BYTES as u64 };
    let done = store.objects.get_to_file(BUCKET, key, to, |_, _| {}).await?;
    Ok((done, std::fs::read(path).unwrap()))
}

async fn put(store: &Store, key: &str, content: bytes::Bytes) {
    let options = PutOptions::of_type("image/png");
    store.objects.put_bytes(BUCKET, key, content, &options).await.unwrap();
}

async fn a_cut_download_goes_on_where_it_broke(store: &Store) {
    put(store, "d", pattern(BYTES)).await;
    let faults = [
        Fault::CutAnswer(100_000),
        Fault::DropAnswer,
        Fault::Answer(503, "SlowDown"),
        Fault::CutAnswer(150_000),
        Fault::CutAnswer(BYTES),
    ];
    let proxy = Proxy::before(store, faults.map(|fault| (Method::GET, fault))).await;
    let (done, found) = download(&proxy.store(), "d").await.unwrap();
    assert!(found == pattern(BYTES));
    assert_eq!(done.bytes, BYTES as u64);
    assert_eq!(done.content_type.as_deref(), Some("image/png"));
    assert_eq!(proxy.seen(&Method::GET), faults, "every try counted, none too many");
}

async fn a_download_that_never_moves_is_given_up(store: &Store) {
    put(store, "n", pattern(BYTES)).await;
    let proxy =
        Proxy::before(store, [Fault::CutAnswer(0); 9].map(|fault| (Method::GET, fault))).await;
    let error = download(&proxy.store(), "n").await.unwrap_err();
    assert!(matches!(error, ObjectsError::Unavailable { .. }), "{error:?}");
    assert_eq!(proxy.seen(&Method::GET).len(), 5, "attempts_max");
}

async fn an_object_that_changes_meanwhile_is_read_anew(store: &Store) {
    put(store, "c", vec![b'1'; BYTES].into()).await;
    let proxy = Proxy::before(store, [(Method::GET, Fault::CutAnswer(100_000))]).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let to = DownloadTo { path: &path, bytes_max: BYTES as u64 };
    let mut changed = false;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let through = proxy.store();
    let reading = through.objects.get_to_file(BUCKET, "c", to, move |bytes, _| {
        if bytes >= 100_000 && !std::mem::replace(&mut changed, true) {
            sender.send(()).unwrap();
        }
    });
    let changing = async {
        receiver.recv().await.unwrap();
        put(store, "c", vec![b'2'; BYTES].into()).await;
    };
    let (done, ()) = tokio::join!(reading, changing);
    assert_eq!(done.unwrap().bytes, BYTES as u64);
    let found = std::fs::read(&path).unwrap();
    assert!(found.iter().all(|letter| *letter == found[0]), "parts of two versions");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_never_answers_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ObjectsConfig {
        request_timeout: Span::from_millis(50),
        attempts_max: 3,
        ..config(&format!("http://{}", silent.local_addr().unwrap()))
    };
    let objects = ObjectStore::new(&config).unwrap();
    let error = objects.head(BUCKET, "k").await.unwrap_err();
    assert!(error.to_string().contains("no answer within 50ms"), "{error}");
    let put = objects.put_if_absent(BUCKET, "k", "x".into(), "text/plain").await;
    assert!(matches!(put, Err(ObjectsError::OutcomeUnknown { .. })), "{put:?}");
}

async fn a_cut_read_into_memory_is_repeated(store: &Store) {
    put(store, "m", pattern(BYTES)).await;
    let faults = [Fault::CutAnswer(10), Fault::Answer(500, "InternalError")];
    let proxy = Proxy::before(store, faults.map(|fault| (Method::GET, fault))).await;
    let found = proxy.store().objects.get_bytes(BUCKET, "m", BYTES as u64).await.unwrap();
    assert!(found == pattern(BYTES));
}

async fn uploads_survive_broken_connections(store: &Store) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let content = pattern(17 * 1024 * 1024);
    std::fs::write(&path, &content).unwrap();
    let proxy = Proxy::before(
        store,
        [
            (Method::PUT, Fault::DropRequest),
            (Method::PUT, Fault::DropAnswer),
            (Method::PUT, Fault::Answer(500, "InternalError")),
            (Method::POST, Fault::Pass),
            // Completed, but nobody heard: the upload is gone when it is asked again.
            (Method::POST, Fault::DropAnswer),
        ],
    )
    .await;
    let options = PutOptions::of_type("video/mp4");
    proxy.store().objects.put_file(BUCKET, "u", &path, &options).await.unwrap();
    let found = store.objects.get_bytes(BUCKET, "u", content.len() as u64).await.unwrap();
    assert!(found == content);
    assert_eq!(proxy.seen(&Method::DELETE), [], "nothing to abort");

    let proxy = Proxy::before(store, [(Method::PUT, Fault::Answer(403, "AccessDenied"))]).await;
    let refused = proxy.store().objects.put_file(BUCKET, "v", &path, &options).await;
    assert!(matches!(refused, Err(ObjectsError::Refused { .. })), "{refused:?}");
    assert_eq!(proxy.seen(&Method::DELETE), [Fault::Pass], "the upload is aborted");
    let absent = store.objects.head(BUCKET, "v").await;
    assert!(matches!(absent, Err(ObjectsError::NotFound { .. })), "{absent:?}");
}
