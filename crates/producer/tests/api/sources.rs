//! Where a source may lie, and how one is uploaded.

use panofleet_job_schema::Region;
use panofleet_job_schema::source::SourceLocation;
use panofleet_producer::api::config::RegionConfig;
use panofleet_producer::api::{UploadView, UploadWay};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Answer, Fleet, OUTPUTS};

fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

/// Two regions; the bucket `photos` lies in the second.
pub(crate) async fn two_regions() -> Fleet {
    Fleet::start_with(|config| {
        let far = RegionConfig { bucket: "far-outputs".to_owned() };
        config.regions.insert(region("far"), far);
        config.source_buckets.insert("photos".to_owned(), region("far"));
    })
    .await
}

#[tokio::test]
async fn a_job_goes_where_its_source_lies_unless_it_says_otherwise() {
    let fleet = two_regions().await;
    for (extra, expected, bucket) in [
        (json!({}), "home", OUTPUTS),
        (json!({ "source": "s3://photos/a.jpg" }), "far", "far-outputs"),
        (json!({ "source": "s3://photos/a.jpg", "region": "home" }), "home", OUTPUTS),
        (json!({ "region": "far" }), "far", "far-outputs"),
    ] {
        let id = fleet.submitted(&extra).await;
        let job = fleet.job(id).await;
        assert_eq!((job.region.as_str(), job.bucket.as_str()), (expected, bucket), "{extra}");
    }
}

#[tokio::test]
async fn sources_that_may_not_be_read_are_refused() {
    let fleet = two_regions().await;
    for (source, code, said) in [
        ("file:/etc/passwd", "source_is_a_file", "`panofleet run` only"),
        ("s3://secrets/a.jpg", "source_bucket_unknown", "allowed are: photos"),
        // The outputs of jobs are no source either: they may be another tenant's.
        ("s3://outputs/a.jpg", "source_bucket_unknown", "bucket `outputs`"),
        ("https://", "source_not_a_url", "empty host"),
        ("https://me:secret@example.com/a.jpg", "source_has_credentials", "presigned"),
        ("http://example.com/a.jpg", "does_not_fit", "use https"),
        ("ftp://example.com/a.jpg", "does_not_fit", "`source`: source `ftp:"),
        ("upload:7", "does_not_fit", "POST /v1/uploads"),
    ] {
        let detail = fleet.submit(&json!({ "source": source })).await.problem(422, code);
        assert!(detail.contains(said), "{source}: {detail}");
        assert!(!detail.contains("secret@"), "{detail}");
    }
    let unknown = format!("upload:{}", Uuid::new_v4());
    fleet.submit(&json!({ "source": unknown })).await.problem(422, "upload_unknown");
}

#[tokio::test]
async fn an_upload_becomes_a_source_when_it_is_finished() {
    let fleet = Fleet::start().await;
    let body = b"a picture".as_slice();
    let request = json!({ "bytes": body.len(), "content_type": "image/jpeg" });
    let answer = fleet.post("/v1/uploads", &request).await;
    assert_eq!(answer.status, 201);
    let upload: UploadView = serde_json::from_value(answer.json()).unwrap();
    let UploadWay::Whole(put) = &upload.way else { panic!("{upload:?}") };
    assert_eq!((put.method.as_str(), upload.bytes), ("PUT", 9));
    let job = json!({ "source": upload.source.to_string() });
    fleet.submit(&job).await.problem(409, "upload_not_finished");

    let put = async |body: &[u8]| fleet.put_to(&put.url, &put.headers, body.to_vec()).await;
    assert_eq!(put(b"another size").await, 403);
    fleet.submit(&job).await.problem(409, "upload_not_finished");
    assert_eq!(put(body).await, 200);
    let id = fleet.submitted(&job).await;
    let SourceLocation::Object { bucket, key, .. } = fleet.job(id).await.source else {
        panic!("an upload is an object")
    };
    assert_eq!(bucket, OUTPUTS);
    let there = fleet.objects.get_bytes(&bucket, &key, 100).await.unwrap();
    assert_eq!(&there[..], body);
    let head = fleet.objects.head(&bucket, &key).await.unwrap();
    assert_eq!(head.content_type.as_deref(), Some("image/jpeg"));
}

#[tokio::test]
async fn an_upload_of_another_size_is_no_source() {
    let fleet = Fleet::start().await;
    let answer = fleet.post("/v1/uploads", &json!({ "bytes": 9 })).await.ok();
    let id: Uuid = answer["id"].as_str().unwrap().parse().unwrap();
    // Somebody with other means than the presigned address put something else there.
    let key = format!("default/uploads/{id}");
    let options = panofleet_objects::client::PutOptions::of_type("image/jpeg");
    fleet.objects.put_bytes(OUTPUTS, &key, "short".into(), &options).await.unwrap();
    let detail = fleet
        .submit(&json!({ "source": answer["source"] }))
        .await
        .problem(409, "upload_size_differs");
    assert!(detail.contains("has 5 bytes and 9 were announced"), "{detail}");
}

#[tokio::test]
async fn uploads_have_limits() {
    let fleet = Fleet::start_with(|config| config.uploads.bytes_max = 1000).await;
    assert_eq!(fleet.post("/v1/uploads", &json!({ "bytes": 1000 })).await.status, 201);
    for (request, said) in [
        (json!({ "bytes": 1001 }), "1 to 1000"),
        (json!({ "bytes": 0 }), "1 to 1000"),
        (json!({}), "missing field `bytes`"),
        (json!({ "bytes": 5, "name": "x" }), "unknown field `name`"),
        (json!({ "bytes": 5, "content_type": "a\nb" }), "content_type"),
        (json!({ "bytes": 5, "content_type": "x".repeat(129) }), "128 bytes"),
    ] {
        let detail = fleet.post("/v1/uploads", &request).await.problem(422, "does_not_fit");
        assert!(detail.contains(said), "{request}: {detail}");
    }
}

#[tokio::test]
async fn without_the_store_an_upload_is_answered_with_try_again() {
    let mut fleet = Fleet::start().await;
    let upload = fleet.post("/v1/uploads", &json!({ "bytes": 9 })).await.ok();
    fleet.stop_store().await;
    let request = fleet.request(Method::POST, "/v1/jobs");
    let job = crate::harness::spec(&json!({ "source": upload["source"] }));
    let answer = Answer::of(request.json(&job).send().await.unwrap()).await;
    let detail = answer.problem(503, "store_unavailable");
    assert!(!detail.contains("127.0.0.1"), "{detail}");
    assert_eq!(answer.header("retry-after"), Some("2"));
}
