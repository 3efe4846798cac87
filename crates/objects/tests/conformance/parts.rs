//! Uploads in parts that somebody else sends.

use std::time::Duration;

use panofleet_objects::ObjectsError;
use panofleet_objects::client::{PART_BYTES_MIN, PartHead, PartPage, PartsUpload, PutOptions};

use crate::presigned::send;
use crate::round_trips::pattern;
use crate::servers::{BUCKET, Store};
use crate::wire::Answer;

crate::suite!(
    parts_that_others_send_become_an_object,
    a_part_that_is_put_anew_takes_the_place_of_the_first,
    parts_are_listed_in_pages,
    an_aborted_upload_is_gone,
    a_part_s_address_is_for_that_part,
);

const MINUTE: Duration = Duration::from_secs(60);
const KEY: &str = "up/in parts";

async fn begin(store: &Store) -> String {
    store.objects.begin_parts(BUCKET, KEY, &PutOptions::of_type("video/mp4")).await.unwrap()
}

fn upload(id: &str) -> PartsUpload<'_> {
    PartsUpload { bucket: BUCKET, key: KEY, id }
}

async fn put(store: &Store, id: &str, (number, bytes): (u32, u64), body: &[u8]) -> Answer {
    let signed = store.objects.presign_part(&upload(id), (number, bytes), MINUTE).await.unwrap();
    send(&signed, &signed.url, body).await
}

async fn parts(store: &Store, id: &str) -> Vec<PartHead> {
    let page = store.objects.list_parts(&upload(id), 0).await.unwrap();
    assert_eq!(page.next, None);
    page.parts
}

async fn parts_that_others_send_become_an_object(store: &Store) {
    let id = begin(store).await;
    assert_eq!(store.objects.list_parts(&upload(&id), 0).await.unwrap(), PartPage::default());
    let (first, second) = (pattern(PART_BYTES_MIN as usize), pattern(70));
    // The last one may come first.
    assert_eq!(put(store, &id, (2, 70), &second).await.status, 200);
    assert_eq!(parts(store, &id).await.iter().map(|part| part.number).collect::<Vec<_>>(), [2]);
    let answer = put(store, &id, (1, PART_BYTES_MIN), &first).await;
    assert_eq!(answer.status, 200);
    let there = parts(store, &id).await;
    let sizes: Vec<_> = there.iter().map(|part| (part.number, part.bytes)).collect();
    assert_eq!(sizes, [(1, PART_BYTES_MIN), (2, 70)]);
    assert_eq!(answer.header("etag"), Some(there[0].etag.as_str()));

    let another =
        PartHead { etag: "\"0123456789abcdef0123456789abcdef\"".into(), ..there[0].clone() };
    let wrong = [another, there[1].clone()];
    let refused = store.objects.complete_parts(&upload(&id), &wrong).await;
    assert!(matches!(refused, Err(ObjectsError::Refused { .. })), "{refused:?}");
    store.objects.complete_parts(&upload(&id), &there).await.unwrap();
    let head = store.objects.head(BUCKET, KEY).await.unwrap();
    assert_eq!(head.bytes, PART_BYTES_MIN + 70);
    assert_eq!(head.content_type.as_deref(), Some("video/mp4"));
    let whole = store.objects.get_bytes(BUCKET, KEY, head.bytes).await.unwrap();
    assert!(whole.starts_with(&first) && whole.ends_with(&second));

    // It is no upload any more. Some stores remember that it was completed with just these parts.
    let again = store.objects.complete_parts(&upload(&id), &there).await;
    assert!(matches!(again, Ok(()) | Err(ObjectsError::NotFound { .. })), "{again:?}");
    let listed = store.objects.list_parts(&upload(&id), 0).await;
    assert!(matches!(listed, Err(ObjectsError::NotFound { .. })), "{listed:?}");
    assert_eq!(put(store, &id, (1, 70), &second).await.status, 404);
}

async fn a_part_that_is_put_anew_takes_the_place_of_the_first(store: &Store) {
    let id = begin(store).await;
    assert_eq!(put(store, &id, (1, 4), b"half").await.status, 200);
    assert_eq!(put(store, &id, (1, 5), b"whole").await.status, 200);
    let there = parts(store, &id).await;
    assert_eq!((there.len(), there[0].bytes), (1, 5));
    store.objects.complete_parts(&upload(&id), &there).await.unwrap();
    assert_eq!(store.objects.get_bytes(BUCKET, KEY, 9).await.unwrap(), "whole");
}

async fn parts_are_listed_in_pages(store: &Store) {
    let id = begin(store).await;
    for number in [1, 3, 10, 11] {
        assert_eq!(put(store, &id, (number, 4), b"part").await.status, 200);
    }
    let behind = store.objects.list_parts(&upload(&id), 3).await.unwrap();
    let numbers: Vec<_> = behind.parts.iter().map(|part| part.number).collect();
    assert_eq!((numbers.as_slice(), behind.next), ([10, 11].as_slice(), None));
    let page = store.sdk().list_parts().bucket(BUCKET).key(KEY).upload_id(&id).max_parts(3);
    let page = page.send().await.unwrap();
    let numbers: Vec<_> = page.parts().iter().filter_map(|part| part.part_number()).collect();
    assert_eq!((numbers.as_slice(), page.is_truncated()), ([1, 3, 10].as_slice(), Some(true)));
    assert_eq!(page.next_part_number_marker(), Some("10"));
}

async fn an_aborted_upload_is_gone(store: &Store) {
    let id = begin(store).await;
    assert_eq!(put(store, &id, (1, 4), b"part").await.status, 200);
    store.objects.abort_parts(&upload(&id)).await.unwrap();
    store.objects.abort_parts(&upload(&id)).await.unwrap();
    let listed = store.objects.list_parts(&upload(&id), 0).await;
    assert!(matches!(listed, Err(ObjectsError::NotFound { .. })), "{listed:?}");
    assert_eq!(put(store, &id, (1, 4), b"part").await.status, 404);
    let found = store.objects.head(BUCKET, KEY).await;
    assert!(matches!(found, Err(ObjectsError::NotFound { .. })), "{found:?}");
}

async fn a_part_s_address_is_for_that_part(store: &Store) {
    let (id, other) = (begin(store).await, begin(store).await);
    for body in [b"par".as_slice(), b"parts"] {
        assert_eq!(put(store, &id, (1, 4), body).await.status, 403, "another size");
    }
    let signed = store.objects.presign_part(&upload(&id), (1, 4), MINUTE).await.unwrap();
    for (from, to) in [("partNumber=1", "partNumber=2"), (id.as_str(), other.as_str())] {
        assert!(signed.url.contains(from), "{}", signed.url);
        let answer = send(&signed, &signed.url.replace(from, to), b"part").await;
        assert_eq!(answer.status, 403, "{from} → {to}");
    }
    assert_eq!((parts(store, &id).await, parts(store, &other).await), (vec![], vec![]));
}
