//! What a store must not accept.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use panofleet_job_schema::ErrorClass;
use panofleet_objects::client::PutOptions;
use panofleet_objects::{ObjectStore, ObjectsConfig, ObjectsError, Secret};

use crate::faults::{Fault, Proxy};
use crate::servers::{BUCKET, Store};
use crate::wire;

crate::suite!(
    damaged_bodies_leave_no_trace,
    wrong_credentials_are_refused,
    an_unknown_key_pair_is_not_an_absent_object,
    strangers_are_refused,
    missing_buckets_are_named,
    a_bucket_is_made_once,
);

async fn assert_absent(store: &Store, key: &str) {
    let found = store.objects.head(BUCKET, key).await;
    assert!(matches!(found, Err(ObjectsError::NotFound { .. })), "{found:?}");
}

async fn damaged_bodies_leave_no_trace(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "old", "old".into(), &options).await.unwrap();
    for key in ["new", "old"] {
        let put = || {
            let body = ByteStream::from_static(b"damaged");
            store.sdk().put_object().bucket(BUCKET).key(key).body(body)
        };
        // Each is right for another body.
        for (what, request) in [
            ("crc32", put().checksum_crc32("AAAAAA==")),
            ("crc32c", put().checksum_crc32_c("AAAAAA==")),
            ("sha256", put().checksum_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")),
            ("sha1", put().checksum_sha1("2jmj7l5rSw0yVb/vlWAYkK/YBwk=")),
            ("md5", put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==")),
        ] {
            let refused = request.send().await.unwrap_err();
            let status = refused.raw_response().map(|raw| raw.status().as_u16());
            assert_eq!((status, refused.code()), (Some(400), Some("BadDigest")), "{what}");
        }
    }
    assert_absent(store, "new").await;
    assert_eq!(store.objects.get_bytes(BUCKET, "old", 10).await.unwrap(), "old");
}

async fn wrong_credentials_are_refused(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    for config in [
        ObjectsConfig { secret_key: Secret::new("wrong"), ..store.config() },
        ObjectsConfig { access_key: "nobody".to_owned(), ..store.config() },
    ] {
        let stranger = ObjectStore::new(&config).unwrap();
        let refused = stranger.put_bytes(BUCKET, "k", Bytes::new(), &options).await.unwrap_err();
        assert!(matches!(refused, ObjectsError::Refused { status: 400..=404, .. }), "{refused:?}");
        assert_eq!(refused.class(), ErrorClass::Rejected);
        assert_absent(store, "k").await;
    }
}

async fn an_unknown_key_pair_is_not_an_absent_object(store: &Store) {
    let unknown = Fault::Answer(404, "InvalidAccessKeyId");
    let proxy = Proxy::before(store, [(http::Method::GET, unknown)]).await;
    let refused = proxy.store().objects.get_bytes(BUCKET, "k", 10).await;
    assert!(matches!(refused, Err(ObjectsError::Refused { status: 404, .. })), "{refused:?}");
}

async fn strangers_are_refused(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "k", "secret".into(), &options).await.unwrap();
    let endpoint = &store.endpoint;
    for (method, path) in [
        ("GET", format!("{endpoint}/")),
        ("GET", format!("{endpoint}/{BUCKET}")),
        ("GET", format!("{endpoint}/{BUCKET}/k")),
        ("PUT", format!("{endpoint}/{BUCKET}/k")),
        ("DELETE", format!("{endpoint}/{BUCKET}/k")),
    ] {
        let answer = wire::send(method, &path, &[("Content-Length", "0")], b"").await;
        assert_eq!(answer.status, 403, "{method} {path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"));
    }
    assert_eq!(store.objects.get_bytes(BUCKET, "k", 10).await.unwrap(), "secret");
}

async fn missing_buckets_are_named(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    let missing = store.objects.put_bytes("no-such-bucket", "k", Bytes::new(), &options).await;
    let missing = missing.unwrap_err();
    assert!(matches!(missing, ObjectsError::NotFound { .. }), "{missing:?}");
    assert!(missing.to_string().contains("s3://no-such-bucket/k"), "{missing}");
}

async fn a_bucket_is_made_once(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    for _ in 0..2 {
        store.objects.create_bucket("another").await.unwrap();
        store.objects.put_bytes("another", "k", Bytes::new(), &options).await.unwrap();
    }
    assert_absent(store, "k").await;
}
