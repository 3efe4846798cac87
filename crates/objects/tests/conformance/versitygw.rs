//! What only a server in a process of its own can show.

use std::sync::Arc;

use bytes::Bytes;
use panofleet_objects::client::{PutIfAbsent, PutOptions};
use panofleet_objects::{ObjectsConfig, ObjectsError};

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
