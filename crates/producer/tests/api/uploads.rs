//! Uploads in parts: begun, looked at, gone on with, completed, removed; and checksums.

use std::time::Duration;

use panofleet_job_schema::source::SourceLocation;
use panofleet_jobs_db::RetireBefore;
use panofleet_objects::ObjectsError;
use panofleet_objects::client::{PART_BYTES_MIN, PartsUpload};
use panofleet_producer::api::{PartAddresses, UploadState, UploadStatus, UploadView, UploadWay};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, Fleet, OUTPUTS};

/// A file of two parts.
fn film() -> Vec<u8> {
    let bytes = PART_BYTES_MIN as usize + 100;
    (0..bytes).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
}

/// Parts as small as they may be.
async fn fleet() -> Fleet {
    Fleet::start_with(|config| config.uploads.part_bytes = PART_BYTES_MIN).await
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> T {
    serde_json::from_value(answer.ok()).unwrap()
}

impl Fleet {
    pub(crate) async fn begin_upload(&self, request: &Value) -> UploadView {
        read(&self.post("/v1/uploads", request).await)
    }

    async fn upload_status(&self, upload: &UploadView) -> UploadStatus {
        read(&self.get(&format!("/v1/uploads/{}", upload.id)).await)
    }

    async fn complete(&self, upload: &UploadView) -> Answer {
        self.post(&format!("/v1/uploads/{}/complete", upload.id), &json!({})).await
    }

    async fn remove(&self, upload: &UploadView) -> Answer {
        self.by(None, (Method::DELETE, &format!("/v1/uploads/{}", upload.id)), None).await
    }

    /// Puts a part of a file to an address that the API gives.
    async fn put_part(&self, upload: &UploadView, number: u32, film: &[u8]) -> StatusCode {
        let path = format!("/v1/uploads/{}/parts", upload.id);
        let addresses: PartAddresses =
            read(&self.post(&path, &json!({ "numbers": [number] })).await);
        let [address] = addresses.parts.as_slice() else { panic!("{addresses:?}") };
        let begin = (number as usize - 1) * PART_BYTES_MIN as usize;
        let body = film[begin..][..address.bytes as usize].to_vec();
        assert_eq!((address.number, address.method.as_str()), (number, "PUT"));
        self.put_to(&address.url, &address.headers, body).await
    }

    pub(crate) async fn put_to<'a>(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (&'a String, &'a String)>,
        body: Vec<u8>,
    ) -> StatusCode {
        let request = self.client.request(Method::PUT, url).body(body);
        let headers = headers.into_iter().filter(|(name, _)| *name != "content-length");
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        request.send().await.unwrap().status()
    }
}

#[tokio::test]
async fn an_upload_in_parts_is_gone_on_with_until_it_is_complete() {
    let fleet = fleet().await;
    let film = film();
    let sha256 = hex::encode(Sha256::digest(&film));
    let request = json!({
        "bytes": film.len(), "parts": true, "content_type": "video/mp4", "sha256": sha256.to_uppercase(),
    });
    let upload = fleet.begin_upload(&request).await;
    let UploadWay::Parts { parts } = upload.way else { panic!("{upload:?}") };
    assert_eq!((parts.bytes, parts.count), (PART_BYTES_MIN, 2));
    assert_eq!(upload.sha256.as_ref(), Some(&sha256));
    let job = json!({ "source": upload.source.to_string() });
    let said = fleet.submit(&job).await.problem(409, "upload_not_finished");
    assert!(said.contains("/complete"), "{said}");
    let said = fleet.complete(&upload).await.problem(409, "upload_not_finished");
    assert!(said.contains("2 of 2 parts") && said.contains("(1, 2)"), "{said}");

    assert_eq!(fleet.put_part(&upload, 2, &film).await, 200);
    let status = fleet.upload_status(&upload).await;
    let there = status.parts.unwrap();
    assert_eq!((status.state, there.count, there.next), (UploadState::Open, 2, None));
    assert_eq!(
        there.there.iter().map(|part| (part.number, part.bytes)).collect::<Vec<_>>(),
        [(2, 100)]
    );
    let behind = fleet.get(&format!("/v1/uploads/{}?after=2", upload.id)).await.ok();
    assert_eq!(behind["parts"]["there"], json!([]));
    let said = fleet.complete(&upload).await.problem(409, "upload_not_finished");
    assert!(said.contains("1 of 2 parts") && said.contains("(1)"), "{said}");
    fleet.submit(&job).await.problem(409, "upload_not_finished");

    assert_eq!(fleet.put_part(&upload, 1, &film).await, 200);
    let complete = fleet.complete(&upload).await.ok();
    assert_eq!((&complete["state"], &complete["parts"]["there"]), (&json!("complete"), &json!([])));
    assert_eq!(fleet.complete(&upload).await.ok(), complete);
    assert_eq!(fleet.get(&format!("/v1/uploads/{}", upload.id)).await.ok(), complete);

    let id = fleet.submitted(&job).await;
    let other = json!({ "source": upload.source.to_string(), "source_sha256": "0".repeat(64) });
    fleet.submit(&other).await.problem(422, "source_checksum_differs");
    let SourceLocation::Object { bucket, key, sha256: announced } = fleet.job(id).await.source
    else {
        panic!("an upload is an object")
    };
    assert_eq!(announced, Some(sha256));
    let there = fleet.objects.get_bytes(&bucket, &key, film.len() as u64).await.unwrap();
    assert!(there == film);
    let head = fleet.objects.head(&bucket, &key).await.unwrap();
    assert_eq!(head.content_type.as_deref(), Some("video/mp4"));
    fleet.remove(&upload).await.problem(409, "upload_in_use");
}

#[tokio::test]
async fn what_is_too_large_for_one_request_is_sent_in_parts() {
    let fleet = Fleet::start_with(|config| config.uploads.parts_above = 1000).await;
    let way = async |request: Value| fleet.begin_upload(&request).await.way;
    assert!(matches!(way(json!({ "bytes": 1000 })).await, UploadWay::Whole(_)));
    for request in [json!({ "bytes": 1001 }), json!({ "bytes": 1001, "parts": false })] {
        let UploadWay::Parts { parts } = way(request).await else { panic!("in parts") };
        assert_eq!(parts.count, 1);
    }
}

#[tokio::test]
async fn an_upload_that_nobody_wants_is_removed() {
    let fleet = fleet().await;
    let film = film();
    let upload = fleet.begin_upload(&json!({ "bytes": film.len(), "parts": true })).await;
    assert_eq!(fleet.put_part(&upload, 2, &film).await, 200);
    let row = fleet.db.upload(upload.id).await.unwrap().unwrap();
    let store_upload = row.parts.unwrap().store_upload;
    assert_eq!(fleet.remove(&upload).await.ok()["state"], "gone");
    let address = PartsUpload { bucket: OUTPUTS, key: &row.key, id: &store_upload };
    let listed = fleet.objects.list_parts(&address, 0).await;
    assert!(matches!(listed, Err(ObjectsError::NotFound { .. })), "{listed:?}");
    for answer in [fleet.remove(&upload).await, fleet.complete(&upload).await] {
        answer.problem(404, "upload_not_found");
    }
    let job = json!({ "source": upload.source.to_string() });
    fleet.submit(&job).await.problem(422, "upload_unknown");

    // One request: whoever has the address may still put the file, so it is looked after until that is over.
    let upload = fleet.begin_upload(&json!({ "bytes": 4 })).await;
    let UploadWay::Whole(put) = &upload.way else { panic!("{upload:?}") };
    assert_eq!(fleet.put_to(&put.url, &put.headers, b"four".to_vec()).await, 200);
    assert_eq!(fleet.upload_status(&upload).await.state, UploadState::Complete);
    fleet.remove(&upload).await.ok();
    fleet.get(&format!("/v1/uploads/{}", upload.id)).await.problem(404, "upload_not_found");
    let key = format!("default/uploads/{}", upload.id);
    let found = fleet.objects.head(OUTPUTS, &key).await;
    assert!(matches!(found, Err(ObjectsError::NotFound { .. })), "{found:?}");
    let none = RetireBefore { begun: None, used: None };
    let early = put.expires_at - Duration::from_secs(1);
    assert_eq!(fleet.db.retire_uploads(none, early, 9).await.unwrap(), []);
    let due = fleet.db.retire_uploads(none, put.expires_at, 9).await.unwrap();
    assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [upload.id]);
}

/// A store may drop what lies about for too long.
#[tokio::test]
async fn an_upload_whose_parts_are_gone_says_so() {
    let fleet = fleet().await;
    let upload = fleet.begin_upload(&json!({ "bytes": 9, "parts": true })).await;
    let row = fleet.db.upload(upload.id).await.unwrap().unwrap();
    let id = &row.parts.unwrap().store_upload;
    fleet.objects.abort_parts(&PartsUpload { bucket: OUTPUTS, key: &row.key, id }).await.unwrap();
    assert_eq!(fleet.upload_status(&upload).await.state, UploadState::Gone);
    let said = fleet.complete(&upload).await.problem(409, "upload_gone");
    assert!(said.contains("begin a new one"), "{said}");
}

#[tokio::test]
async fn a_file_that_is_not_the_announced_one_is_not_taken() {
    let fleet = fleet().await;
    let sha256 = hex::encode(Sha256::digest(b"right"));
    let upload = fleet.begin_upload(&json!({ "bytes": 5, "sha256": sha256 })).await;
    let UploadWay::Whole(put) = &upload.way else { panic!("{upload:?}") };
    assert_eq!(fleet.put_to(&put.url, &put.headers, b"wrong".to_vec()).await, 400);
    fleet.complete(&upload).await.problem(409, "upload_not_finished");
    assert_eq!(fleet.put_to(&put.url, &put.headers, b"right".to_vec()).await, 200);
    // Nothing is left to do.
    assert_eq!(fleet.complete(&upload).await.ok()["state"], "complete");
    let path = format!("/v1/uploads/{}/parts", upload.id);
    let said =
        fleet.post(&path, &json!({ "numbers": [1] })).await.problem(409, "upload_not_in_parts");
    assert!(said.contains("\"parts\": true"), "{said}");
}

#[tokio::test]
async fn what_is_asked_of_parts_has_limits() {
    let fleet = fleet().await;
    let upload = fleet.begin_upload(&json!({ "bytes": film().len(), "parts": true })).await;
    let path = format!("/v1/uploads/{}", upload.id);
    for (numbers, said) in [
        (json!([]), "1 to 100"),
        (json!((1..=101).collect::<Vec<_>>()), "has 101 numbers"),
        (json!([0]), "0 is no part; they are 1 to 2"),
        (json!([1, 3]), "3 is no part"),
        (json!([-1]), "numbers"),
    ] {
        let answer = fleet.post(&format!("{path}/parts"), &json!({ "numbers": numbers })).await;
        let detail = answer.problem(422, "does_not_fit");
        assert!(detail.contains(said), "{numbers}: {detail}");
    }
    for query in ["after=10001", "after=x", "before=1"] {
        fleet.get(&format!("{path}?{query}")).await.problem(400, "bad_parameter");
    }
    for sha256 in [json!("abc"), json!("g".repeat(64)), json!(7)] {
        let answer = fleet.post("/v1/uploads", &json!({ "bytes": 5, "sha256": sha256 })).await;
        let detail = answer.problem(422, "does_not_fit");
        assert!(detail.contains("`sha256`"), "{detail}");
    }
    for id in ["7", "01890a5d-ac96-774b-bcce-b302099a8057"] {
        let said = fleet.get(&format!("/v1/uploads/{id}")).await.problem(404, "upload_not_found");
        assert!(said.contains("POST /v1/uploads"), "{said}");
    }
}
