//! Presigned URLs, used as a browser would: without our client.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use panofleet_objects::ObjectsError;
use panofleet_objects::client::{ExactBody, PresignedRequest};
use sha2::{Digest as _, Sha256};

use crate::round_trips::pattern;
use crate::servers::{BUCKET, Store};
use crate::wire::{self, Answer};

crate::suite!(
    a_presigned_put_takes_the_right_size_only,
    a_presigned_put_takes_the_right_bytes_only,
    a_presigned_get_reads,
    a_changed_url_is_refused,
    an_expired_url_is_refused,
    urls_point_at_the_public_endpoint,
);

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn send(signed: &PresignedRequest, url: &str, body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let mut headers: Vec<(&str, &str)> = vec![("Content-Length", &length)];
    let given = signed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    headers.extend(given.filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")));
    wire::send(&signed.method, url, &headers, body).await
}

async fn assert_absent(store: &Store, key: &str) {
    let found = store.objects.head(BUCKET, key).await;
    assert!(matches!(found, Err(ObjectsError::NotFound { .. })), "{found:?}");
}

async fn a_presigned_put_takes_the_right_size_only(store: &Store) {
    let signed = store
        .objects
        .presign_put(BUCKET, "up/ä b", ExactBody::of_bytes(1000), MINUTE)
        .await
        .unwrap();
    assert_eq!(signed.method, "PUT");
    for bytes in [0, 999, 1001] {
        let answer = send(&signed, &signed.url, &pattern(bytes)).await;
        assert_eq!(answer.status, 403, "{bytes} bytes: {answer:?}");
        assert_absent(store, "up/ä b").await;
    }
    let answer = send(&signed, &signed.url, &pattern(1000)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(store.objects.get_bytes(BUCKET, "up/ä b", 1000).await.unwrap(), pattern(1000));
}

async fn a_presigned_put_takes_the_right_bytes_only(store: &Store) {
    let body = pattern(1000);
    let sha256 = Some(Sha256::digest(&body).into());
    let exact = ExactBody { bytes: 1000, sha256 };
    let signed = store.objects.presign_put(BUCKET, "sum", exact, MINUTE).await.unwrap();
    let mut other = body.to_vec();
    other[500] ^= 1;
    let answer = send(&signed, &signed.url, &other).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_absent(store, "sum").await;
    let bare = PresignedRequest { headers: Vec::new(), ..signed.clone() };
    assert_eq!(send(&bare, &bare.url, &other).await.status, 403, "the checksum is signed");
    assert_absent(store, "sum").await;
    let answer = send(&signed, &signed.url, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(store.objects.get_bytes(BUCKET, "sum", 1000).await.unwrap(), body);
}

async fn a_presigned_get_reads(store: &Store) {
    let options = panofleet_objects::client::PutOptions::of_type("image/png");
    store.objects.put_bytes(BUCKET, "down", pattern(500), &options).await.unwrap();
    let signed = store.objects.presign_get(BUCKET, "down", MINUTE).await.unwrap();
    let answer = send(&signed, &signed.url, b"").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, pattern(500));
    assert_eq!(answer.header("content-type"), Some("image/png"));
    let shown = format!("{signed:?}");
    assert!(!shown.contains("X-Amz-Signature"), "the URL is a secret: {shown}");
}

async fn a_changed_url_is_refused(store: &Store) {
    let signed =
        store.objects.presign_put(BUCKET, "mine", ExactBody::of_bytes(4), MINUTE).await.unwrap();
    for (from, to) in
        [("/mine", "/other"), ("Expires=60", "Expires=600"), ("PutObject", "GetObject")]
    {
        assert!(signed.url.contains(from), "{}", signed.url);
        let answer = send(&signed, &signed.url.replace(from, to), b"body").await;
        assert_eq!(answer.status, 403, "{from} → {to}");
    }
    assert_absent(store, "mine").await;
    assert_absent(store, "other").await;
    let read = PresignedRequest { method: "DELETE".to_owned(), ..signed };
    assert_eq!(send(&read, &read.url, b"").await.status, 403, "signed for PUT only");
}

async fn an_expired_url_is_refused(store: &Store) {
    let options = panofleet_objects::client::PutOptions::of_type("image/png");
    store.objects.put_bytes(BUCKET, "old", pattern(5), &options).await.unwrap();
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let past = PresigningConfig::builder().start_time(then).expires_in(MINUTE).build().unwrap();
    let signed = store.sdk().get_object().bucket(BUCKET).key("old").presigned(past).await.unwrap();
    let answer = wire::send("GET", signed.uri(), &[], b"").await;
    assert_eq!(answer.status, 403, "{answer:?}");
}

async fn urls_point_at_the_public_endpoint(store: &Store) {
    let public = "https://objects.example.com".to_owned();
    let config =
        panofleet_objects::ObjectsConfig { public_endpoint: Some(public), ..store.config() };
    let behind = panofleet_objects::ObjectStore::new(&config).unwrap();
    behind.head(BUCKET, "nothing").await.unwrap_err();
    let signed = behind.presign_get(BUCKET, "k", MINUTE).await.unwrap();
    assert!(signed.url.starts_with("https://objects.example.com/suite/k?"), "{}", signed.url);
    let week = behind.presign_get(BUCKET, "k", Duration::from_secs(8 * 24 * 3600)).await;
    assert!(matches!(week, Err(ObjectsError::Refused { .. })), "{week:?}");
}
