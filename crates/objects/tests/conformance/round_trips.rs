//! What goes in comes out.

use bytes::Bytes;
use panofleet_objects::ObjectsError;
use panofleet_objects::client::{ByteRange, DownloadTo, PutOptions};

use crate::servers::{BUCKET, Store};

crate::suite!(
    bytes_and_metadata_come_back,
    files_come_back_in_one_part_and_in_many,
    keys_of_any_letters_are_their_own,
    ranges_are_exact,
    readers_never_see_parts_of_two_versions,
    deleted_objects_are_gone,
    listings_page_in_key_order,
    large_objects_are_refused_before_they_are_read,
);
// versitygw makes a file of each object, where keys are paths: it cannot hold both `a` and `a/b`, nor `..`.
crate::suite!(only on_embedded: keys_that_are_no_paths_are_their_own);

/// Bytes that differ from place to place.
pub(crate) fn pattern(bytes: usize) -> Bytes {
    (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

async fn bytes_and_metadata_come_back(store: &Store) {
    for bytes in [0, 1, 70_000] {
        let content = pattern(bytes);
        let options =
            PutOptions { content_type: "image/webp", cache_control: Some("public, max-age=60") };
        store.objects.put_bytes(BUCKET, "k", content.clone(), &options).await.unwrap();

        assert_eq!(store.objects.get_bytes(BUCKET, "k", 70_000).await.unwrap(), content);
        let head = store.objects.head(BUCKET, "k").await.unwrap();
        assert_eq!(head.bytes, bytes as u64);
        assert_eq!(head.content_type.as_deref(), Some("image/webp"));
        assert_eq!(head.cache_control.as_deref(), Some("public, max-age=60"));
        let reader = store.objects.open(BUCKET, "k", None).await.unwrap();
        assert_eq!(reader.etag, head.etag);
        assert_eq!(reader.content_type, head.content_type);
        assert_eq!(reader.cache_control, head.cache_control);
    }
    let put = store.sdk().put_object().bucket(BUCKET).key("m").metadata("album", "42");
    put.send().await.unwrap();
    assert_eq!(store.objects.head(BUCKET, "m").await.unwrap().metadata["album"], "42");
}

async fn files_come_back_in_one_part_and_in_many(store: &Store) {
    let dir = tempfile::tempdir().unwrap();
    let (source, target) = (dir.path().join("source"), dir.path().join("target"));
    // No part, one request, just below parts, three parts of which the last is odd.
    for bytes in [0, 5 * 1024 * 1024, 16 * 1024 * 1024 - 1, 17 * 1024 * 1024 + 3] {
        let content = pattern(bytes);
        std::fs::write(&source, &content).unwrap();
        let options = PutOptions { content_type: "image/tiff", cache_control: Some("no-store") };
        store.objects.put_file(BUCKET, "file", &source, &options).await.unwrap();

        let mut seen = Vec::new();
        let to = DownloadTo { path: &target, bytes_max: bytes as u64 };
        let progress = |so_far, total| seen.push((so_far, total));
        let done = store.objects.get_to_file(BUCKET, "file", to, progress).await.unwrap();
        assert!(std::fs::read(&target).unwrap() == content, "{bytes} bytes differ");
        assert_eq!(done.bytes, bytes as u64);
        assert_eq!(done.content_type.as_deref(), Some("image/tiff"));
        assert_eq!(done.sha256, sha256(&content));
        assert!(seen.is_sorted());
        assert_eq!(
            seen.last().copied().unwrap_or((0, Some(0))),
            (bytes as u64, Some(bytes as u64))
        );
        let head = store.objects.head(BUCKET, "file").await.unwrap();
        assert_eq!(head.cache_control.as_deref(), Some("no-store"));
    }
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(content))
}

async fn keys_of_any_letters_are_their_own(store: &Store) {
    let keys = ["a ", "a+b", "a%2Fb", "a/b/c", "ä/日本/🌍", "~", "=a", "+a", "'\"<>&?#[]"];
    assert_own(store, &keys).await;
}

async fn keys_that_are_no_paths_are_their_own(store: &Store) {
    let long = "k".repeat(1024);
    let keys = ["a", "a/b", "a/b/c", "..", "../..", "a/../b", "./a", "//", "a//b", "a/", &long];
    assert_own(store, &keys).await;
    let too_long = store.objects.head(BUCKET, &"k".repeat(1025)).await;
    assert!(too_long.is_err(), "{too_long:?}");
}

/// Puts, reads, lists and deletes an object under each key.
async fn assert_own(store: &Store, keys: &[&str]) {
    let options = PutOptions::of_type("text/plain");
    for key in keys {
        let content = Bytes::copy_from_slice(key.as_bytes());
        store.objects.put_bytes(BUCKET, key, content, &options).await.unwrap();
    }
    for key in keys {
        let found = store.objects.get_bytes(BUCKET, key, 2000).await.unwrap();
        assert_eq!(found, key.as_bytes(), "{key:?}");
    }
    let mut left = keys.to_vec();
    left.sort_unstable();
    assert_eq!(store.objects.list(BUCKET, "", None).await.unwrap().keys, left);
    for key in keys {
        store.objects.delete(BUCKET, key).await.unwrap();
        left.retain(|other| other != key);
        let listed = store.objects.list(BUCKET, "", None).await.unwrap().keys;
        assert_eq!(listed, left, "without {key:?}");
    }
}

async fn ranges_are_exact(store: &Store) {
    let content = pattern(1000);
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "r", content.clone(), &options).await.unwrap();
    for (range, expected, said) in [
        (ByteRange::From(0), 0..1000, "bytes 0-999/1000"),
        (ByteRange::From(999), 999..1000, "bytes 999-999/1000"),
        (ByteRange::Between(10, 19), 10..20, "bytes 10-19/1000"),
        (ByteRange::Between(990, 5000), 990..1000, "bytes 990-999/1000"),
        (ByteRange::Last(1), 999..1000, "bytes 999-999/1000"),
        (ByteRange::Last(5000), 0..1000, "bytes 0-999/1000"),
    ] {
        let mut reader = store.objects.open(BUCKET, "r", Some(range)).await.unwrap();
        assert_eq!(reader.bytes, expected.len() as u64, "{range:?}");
        assert_eq!(reader.content_range.as_deref(), Some(said));
        let mut found = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            found.extend_from_slice(&piece);
        }
        assert_eq!(found, content[expected], "{range:?}");
    }
    let past = store.objects.open(BUCKET, "r", Some(ByteRange::From(1000))).await;
    assert!(matches!(past, Err(ObjectsError::RangeNotSatisfiable { .. })), "{past:?}");
}

async fn readers_never_see_parts_of_two_versions(store: &Store) {
    const BYTES: usize = 1024 * 1024;
    let version = |letter: u8| Bytes::from(vec![letter; BYTES]);
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "v", version(b'a'), &options).await.unwrap();
    let impatient = store.impatient();
    let write = async {
        for letter in b'b'..=b'p' {
            store.objects.put_bytes(BUCKET, "v", version(letter), &options).await.unwrap();
        }
    };
    let read = || async {
        let mut last = b'a';
        while last < b'p' {
            let found = impatient.objects.get_bytes(BUCKET, "v", BYTES as u64).await.unwrap();
            assert_eq!(found.len(), BYTES);
            assert!(found.iter().all(|letter| *letter == found[0]), "torn");
            assert!(found[0] >= last, "an older version came back");
            last = found[0];
        }
    };
    tokio::join!(write, read(), read());
}

async fn deleted_objects_are_gone(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "x/y", pattern(3), &options).await.unwrap();
    store.objects.delete(BUCKET, "x/y").await.unwrap();
    store.objects.delete(BUCKET, "x/y").await.unwrap();
    let gone = store.objects.get_bytes(BUCKET, "x/y", 10).await;
    assert!(matches!(gone, Err(ObjectsError::NotFound { .. })), "{gone:?}");
    let gone = store.objects.head(BUCKET, "x/y").await;
    assert!(matches!(gone, Err(ObjectsError::NotFound { .. })), "{gone:?}");
    store.objects.put_bytes(BUCKET, "x/y", pattern(4), &options).await.unwrap();
    assert_eq!(store.objects.get_bytes(BUCKET, "x/y", 10).await.unwrap(), pattern(4));
}

async fn listings_page_in_key_order(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    let mut keys: Vec<String> = (0..25).map(|n| format!("p/{}/{n}", n % 3)).collect();
    for key in &keys {
        store.objects.put_bytes(BUCKET, key, Bytes::new(), &options).await.unwrap();
    }
    store.objects.put_bytes(BUCKET, "q", Bytes::new(), &options).await.unwrap();
    keys.sort();
    let sdk = store.sdk();
    let (mut listed, mut token) = (Vec::new(), None);
    loop {
        let request = sdk.list_objects_v2().bucket(BUCKET).prefix("p/").max_keys(4);
        let page = request.set_continuation_token(token).send().await.unwrap();
        assert!(page.contents().len() <= 4);
        listed.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(listed, keys);
    let folders =
        sdk.list_objects_v2().bucket(BUCKET).prefix("p/").delimiter("/").send().await.unwrap();
    let folders: Vec<_> = folders.common_prefixes().iter().filter_map(|p| p.prefix()).collect();
    assert_eq!(folders, ["p/0/", "p/1/", "p/2/"]);
    assert_eq!(store.objects.list(BUCKET, "p/", None).await.unwrap().keys, keys);
}

async fn large_objects_are_refused_before_they_are_read(store: &Store) {
    let dir = tempfile::tempdir().unwrap();
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "l", pattern(11), &options).await.unwrap();
    let refused = store.objects.get_bytes(BUCKET, "l", 10).await;
    assert!(matches!(refused, Err(ObjectsError::TooLarge { bytes_max: 10, .. })), "{refused:?}");
    let to = DownloadTo { path: &dir.path().join("l"), bytes_max: 10 };
    let progress = |_, _| panic!("nothing may be read");
    let refused = store.objects.get_to_file(BUCKET, "l", to, progress).await;
    assert!(matches!(refused, Err(ObjectsError::TooLarge { bytes_max: 10, .. })), "{refused:?}");
}
