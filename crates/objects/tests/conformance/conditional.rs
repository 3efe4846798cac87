//! Conditional writes: what publishing rests on.

use bytes::Bytes;
use futures_util::future::join_all;
use panofleet_objects::ObjectsError;
use panofleet_objects::client::{PutIfAbsent, PutOptions};

use crate::faults::{Fault, Proxy, Wrong, store_without_conditions};
use crate::servers::{BUCKET, Store};

crate::suite!(
    of_racing_writers_exactly_one_wins,
    a_second_put_changes_nothing,
    a_lost_answer_is_not_taken_for_one,
    only_the_named_version_is_replaced,
    a_multipart_upload_may_be_conditional_too,
    the_probe_accepts_the_store,
);

const ROUNDS: usize = 20;
const WRITERS: usize = 16;

async fn of_racing_writers_exactly_one_wins(store: &Store) {
    for round in 0..ROUNDS {
        let key = format!("race/{round}");
        let content = |writer: usize| Bytes::from(format!("writer {writer} ").repeat(writer + 1));
        let race = (0..WRITERS)
            .map(|writer| store.objects.put_if_absent(BUCKET, &key, content(writer), "text/plain"));
        let outcomes: Vec<_> = join_all(race).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> =
            (0..WRITERS).filter(|writer| outcomes[*writer] == PutIfAbsent::Created).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        let stands = store.objects.get_bytes(BUCKET, &key, 10_000).await.unwrap();
        assert_eq!(stands, content(winners[0]), "round {round}");
    }
}

async fn a_second_put_changes_nothing(store: &Store) {
    for (content, outcome) in [("one", PutIfAbsent::Created), ("two", PutIfAbsent::Exists)] {
        let put = store.objects.put_if_absent(BUCKET, "once", Bytes::from(content), "text/x-test");
        assert_eq!(put.await.unwrap(), outcome);
        assert_eq!(store.objects.get_bytes(BUCKET, "once", 10).await.unwrap(), "one");
    }
    let head = store.objects.head(BUCKET, "once").await.unwrap();
    assert_eq!(head.content_type.as_deref(), Some("text/x-test"));
}

async fn a_lost_answer_is_not_taken_for_one(store: &Store) {
    for fault in [Fault::DropAnswer, Fault::DropRequest, Fault::Answer(503, "SlowDown")] {
        let proxy = Proxy::before(store, [(http::Method::PUT, fault)]).await;
        let put = proxy.store().objects;
        let key = format!("{fault:?}");
        let put = put.put_if_absent(BUCKET, &key, Bytes::from_static(b"x"), "text/plain").await;
        assert!(matches!(put, Err(ObjectsError::OutcomeUnknown { .. })), "{fault:?}: {put:?}");
        assert_eq!(proxy.seen(&http::Method::PUT), [fault], "a conditional put is never repeated");
    }
    let proxy = [(http::Method::PUT, Fault::Answer(409, "ConditionalRequestConflict"))];
    let proxy = Proxy::before(store, proxy).await;
    let put = proxy.store().objects;
    let put = put.put_if_absent(BUCKET, "c", Bytes::from_static(b"x"), "text/plain").await;
    assert!(matches!(put, Err(ObjectsError::Conflict { .. })), "{put:?}");
}

async fn only_the_named_version_is_replaced(store: &Store) {
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "v", Bytes::from_static(b"1"), &options).await.unwrap();
    let first = store.objects.head(BUCKET, "v").await.unwrap().etag.unwrap();
    let replace = |key: &'static str, tag: String, content: &'static [u8]| {
        let put = store.sdk().put_object().bucket(BUCKET).key(key).if_match(tag);
        async move {
            let sent = put.body(Bytes::from_static(content).into()).send().await;
            sent.map_err(|error| error.raw_response().unwrap().status().as_u16()).map(drop)
        }
    };
    assert_eq!(replace("v", first.clone(), b"2").await, Ok(()));
    assert_eq!(replace("v", first.clone(), b"3").await, Err(412));
    assert_eq!(replace("nothing", first, b"4").await, Err(404));
    assert_eq!(store.objects.get_bytes(BUCKET, "v", 10).await.unwrap(), "2");
}

async fn a_multipart_upload_may_be_conditional_too(store: &Store) {
    let sdk = store.sdk();
    for (content, expected) in [("one", Ok(())), ("two", Err(412))] {
        let begun = sdk.create_multipart_upload().bucket(BUCKET).key("mp").send().await.unwrap();
        let id = begun.upload_id().unwrap();
        let part = sdk.upload_part().bucket(BUCKET).key("mp").upload_id(id).part_number(1);
        let part = part.body(Bytes::from(content).into()).send().await.unwrap();
        let part = aws_sdk_s3::types::CompletedPart::builder()
            .part_number(1)
            .set_e_tag(part.e_tag)
            .build();
        let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().parts(part).build();
        let complete = sdk.complete_multipart_upload().bucket(BUCKET).key("mp").upload_id(id);
        let sent = complete.multipart_upload(parts).if_none_match("*").send().await;
        let outcome =
            sent.map(drop).map_err(|error| error.raw_response().unwrap().status().as_u16());
        assert_eq!(outcome, expected);
        assert_eq!(store.objects.get_bytes(BUCKET, "mp", 10).await.unwrap(), "one");
    }
}

async fn the_probe_accepts_the_store(store: &Store) {
    store.objects.probe_conditional_writes(BUCKET).await.unwrap();
    assert_eq!(store.objects.list(BUCKET, "", None).await.unwrap().keys, [""; 0], "left behind");
    let nowhere = store.objects.probe_conditional_writes("no-such-bucket").await;
    assert!(matches!(nowhere, Err(ObjectsError::NotFound { .. })), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_refuses_a_store_that_is_wrong_about_conditions() {
    for (wrong, how) in [(Wrong::Ignored, "replaced"), (Wrong::CheckedTooEarly, "racing puts won")]
    {
        let (endpoint, _server) = store_without_conditions(wrong).await;
        let probe = Store::at(&endpoint).objects.probe_conditional_writes(BUCKET).await;
        let Err(ObjectsError::ConditionsNotHonoured { finding, .. }) = probe else {
            panic!("{wrong:?}: {probe:?}");
        };
        assert!(finding.contains(how), "{wrong:?}: {finding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_refuses_a_store_that_does_not_know_conditions() {
    let server = crate::servers::Embedded::start().await;
    let fault = (http::Method::PUT, Fault::Answer(501, "NotImplemented"));
    let proxy = Proxy::before(&server.store(), [fault]).await;
    let probe = proxy.store().objects.probe_conditional_writes(BUCKET).await;
    assert!(matches!(probe, Err(ObjectsError::ConditionsNotHonoured { .. })), "{probe:?}");
}
