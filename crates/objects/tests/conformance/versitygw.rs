//! What only a server in a process of its own can show.

use std::sync::Arc;

use bytes::Bytes;
use panofleet_objects::client::{PutIfAbsent, PutOptions};
use panofleet_objects::{ObjectStore, ObjectsConfig, ObjectsError, Secret};
use panofleet_test_servers::S3Server;

use crate::servers::{BUCKET, Store, Versitygw};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_outlives_a_crash_of_its_store() {
    let server = Versitygw::start().await;
    let store = server.store();
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "before", "before".into(), &options).await.unwrap();
    let versitygw = Arc::new(server.server);
    versitygw.crash();

    let none = store.impatient().objects.head(BUCKET, "before").await;
    assert!(matches!(none, Err(ObjectsError::Unavailable { .. })), "{none:?}");
    let said = none.unwrap_err().to_string();
    assert_eq!(
        said,
        format!("the store is not available for s3://{BUCKET}/before: connection refused")
    );
    let unknown = store.objects.put_if_absent(BUCKET, "m", "1".into(), "text/plain").await;
    assert!(matches!(unknown, Err(ObjectsError::OutcomeUnknown { .. })), "{unknown:?}");

    // It begins while nobody answers, through connections that were open when the server died.
    let patient = Store::of(&ObjectsConfig { attempts_max: 1000, ..store.config() }).objects;
    let put = patient.put_bytes(BUCKET, "after", "after".into(), &options);
    let again = Arc::clone(&versitygw);
    let start = tokio::task::spawn_blocking(move || again.start_again());
    let (put, started) = tokio::join!(put, start);
    started.unwrap();
    put.unwrap();

    for key in ["before", "after"] {
        assert_eq!(store.objects.get_bytes(BUCKET, key, 10).await.unwrap(), key);
    }
    for outcome in [PutIfAbsent::Created, PutIfAbsent::Exists] {
        let put = store.objects.put_if_absent(BUCKET, "m", Bytes::from("1"), "text/plain").await;
        assert_eq!(put.unwrap(), outcome);
    }
}

fn config_error(settings: &ObjectsConfig) -> String {
    let Err(ObjectsError::Config(reason)) = ObjectStore::new(settings) else {
        panic!("{:?} is taken", settings.tls_ca_file);
    };
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_shows_a_certificate_that_we_trust() {
    let server = Versitygw::over(S3Server::start_with_tls).await;
    let trusting = server.store();
    let options = PutOptions::of_type("text/plain");
    trusting.objects.put_bytes(BUCKET, "k", "safe".into(), &options).await.unwrap();
    assert_eq!(trusting.objects.get_bytes(BUCKET, "k", 10).await.unwrap(), "safe");
    trusting.objects.probe_conditional_writes(BUCKET).await.unwrap();

    // The machine's CAs have not signed it; nor has this one.
    let other = S3Server::start_with_tls();
    for tls_ca_file in [None, Some(other.ca_file())] {
        let distrusting = ObjectsConfig { tls_ca_file, ..trusting.config() };
        let distrusting = Store::of(&distrusting).objects;
        let refused = distrusting.get_bytes(BUCKET, "k", 10).await.unwrap_err();
        assert!(matches!(refused, ObjectsError::Untrusted { .. }), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains("certificate") && said.contains("tls_ca_file"), "{said}");
        let put = distrusting.put_if_absent(BUCKET, "m", "1".into(), "text/plain").await;
        assert!(matches!(put, Err(ObjectsError::Untrusted { .. })), "nothing was sent: {put:?}");
    }
    // Signed by the right CA, for another name.
    let endpoint = trusting.endpoint.replace("127.0.0.1", "localhost");
    let misnamed = trusting.behind(&endpoint).objects.head(BUCKET, "k").await;
    assert!(matches!(misnamed, Err(ObjectsError::Untrusted { .. })), "{misnamed:?}");
    server.stop().await;
}

#[test]
fn a_file_without_a_ca_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.crt");
    let settings = ObjectsConfig::new("https://127.0.0.1:1", "key", Secret::new("secret"));
    let settings = ObjectsConfig { tls_ca_file: Some(path.clone()), ..settings };
    assert!(config_error(&settings).contains("No such file"));
    for (content, reason) in [
        ("", "it holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n", "ca.crt: "),
        ("-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n", "ca.crt: "),
    ] {
        std::fs::write(&path, content).unwrap();
        let said = config_error(&settings);
        assert!(said.contains(reason), "{content}: {said}");
    }
}
