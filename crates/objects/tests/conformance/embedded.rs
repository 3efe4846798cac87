//! What only our own server promises.

use panofleet_objects::ObjectsError;
use panofleet_objects::client::{ExactBody, PutOptions};
use panofleet_objects::server::serve;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::servers::{BUCKET, Embedded, server_config};
use crate::wire;

#[tokio::test]
async fn a_folder_has_one_server() {
    let server = Embedded::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = server_config(server.root());
    // Told to stop at once, should it start after all.
    let stopped = CancellationToken::new();
    stopped.cancel();
    let second = serve(listener, config, stopped).await;
    assert!(matches!(second, Err(ObjectsError::FolderInUse { .. })), "{second:?}");
    server.store().objects.head(BUCKET, "k").await.unwrap_err();
    let dir = server.stop().await;
    Embedded::over(dir).await.stop().await;
}

#[tokio::test]
async fn browsers_may_upload_from_any_page() {
    let server = Embedded::start().await;
    let minute = std::time::Duration::from_secs(60);
    let signed = server
        .store()
        .objects
        .presign_put(BUCKET, "k", ExactBody::of_bytes(4), minute)
        .await
        .unwrap();
    let origin = ("Origin", "https://app.example.com");
    let asked = [
        origin,
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let answer = wire::send("OPTIONS", &signed.url, &asked, b"").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type"));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));

    let answer = wire::send("PUT", &signed.url, &[origin, ("Content-Length", "4")], b"body").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("ETag"));
    server.stop().await;
}

#[tokio::test]
async fn weak_or_greedy_requests_are_refused_at_the_door() {
    let server = Embedded::start().await;
    let url = format!("{}/{BUCKET}/k", server.endpoint);
    let form = [("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", "9999")];
    assert_eq!(wire::send("POST", &url, &form, b"").await.status, 501);
    // Version 2 signatures are not even looked at, however they are spelled.
    let old = [("Authorization", "AWS conformance:c2lnbmF0dXJl")];
    let mut answers = vec![wire::send("GET", &url, &old, b"").await];
    for name in ["Signature", "%53ignature"] {
        let url = format!("{url}?AWSAccessKeyId=conformance&Expires=9999999999&{name}=x");
        answers.push(wire::send("GET", &url, &[], b"").await);
    }
    for answer in answers {
        let body = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == 403 && body.contains("only signature version 4"), "{body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn reads_can_be_conditional() {
    let server = Embedded::start().await;
    let store = server.store();
    let options = PutOptions::of_type("text/plain");
    store.objects.put_bytes(BUCKET, "k", "content".into(), &options).await.unwrap();
    let etag = store.objects.head(BUCKET, "k").await.unwrap().etag.unwrap();
    let get = || store.sdk().get_object().bucket(BUCKET).key("k");
    for (request, expected) in [
        (get().if_match(&etag), 200),
        (get().if_match("\"other\""), 412),
        (get().if_none_match(&etag), 304),
        (get().if_none_match("\"other\""), 200),
    ] {
        let status = match request.send().await {
            Ok(_) => 200,
            Err(error) => error.raw_response().unwrap().status().as_u16(),
        };
        assert_eq!(status, expected);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_leaves_no_trace() {
    let server = Embedded::start().await;
    let minute = std::time::Duration::from_secs(60);
    let signed = server
        .store()
        .objects
        .presign_put(BUCKET, "k", ExactBody::of_bytes(1000), minute)
        .await
        .unwrap();
    let rest = signed.url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 500]).await.unwrap();
    // No more is coming; the server says so or hangs up.
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let absent = server.store().objects.head(BUCKET, "k").await;
    assert!(matches!(absent, Err(ObjectsError::NotFound { .. })), "{absent:?}");
    let dir = server.stop().await;
    assert_eq!(std::fs::read_dir(dir.path().join("staging")).unwrap().count(), 0);
}

#[tokio::test]
async fn parts_that_do_not_add_up_are_refused() {
    let server = Embedded::start().await;
    let sdk = server.store().sdk();
    let begun = sdk.create_multipart_upload().bucket(BUCKET).key("k").send().await.unwrap();
    let id = begun.upload_id().unwrap();
    let mut parts = Vec::new();
    for number in 1..=2 {
        let put = sdk.upload_part().bucket(BUCKET).key("k").upload_id(id).part_number(number);
        let put = put.body(bytes::Bytes::from_static(b"small").into()).send().await.unwrap();
        parts.push((number, put.e_tag.unwrap()));
    }
    let one = || parts[0].clone();
    for (what, chosen) in [
        ("none", vec![]),
        ("EntityTooSmall", parts.clone()),
        ("InvalidPartOrder", vec![parts[1].clone(), one()]),
        ("InvalidPartOrder", vec![one(), one()]),
        ("InvalidPart", vec![(3, one().1)]),
        ("InvalidPart", vec![(1, "\"other\"".to_owned())]),
    ] {
        let chosen = chosen.into_iter().map(|(number, tag)| {
            aws_sdk_s3::types::CompletedPart::builder().part_number(number).e_tag(tag).build()
        });
        let chosen = aws_sdk_s3::types::CompletedMultipartUpload::builder()
            .set_parts(Some(chosen.collect()))
            .build();
        let complete = sdk.complete_multipart_upload().bucket(BUCKET).key("k").upload_id(id);
        let refused = complete.multipart_upload(chosen).send().await.unwrap_err();
        assert_eq!(refused.raw_response().unwrap().status().as_u16(), 400, "{what}");
        use aws_sdk_s3::error::ProvideErrorMetadata as _;
        assert!(what == "none" || refused.code() == Some(what), "{what}: {refused:?}");
    }
    let absent = server.store().objects.head(BUCKET, "k").await;
    assert!(matches!(absent, Err(ObjectsError::NotFound { .. })), "{absent:?}");
    for id in ["../staging", &uuid::Uuid::nil().to_string()] {
        let put = sdk.upload_part().bucket(BUCKET).key("k").upload_id(id).part_number(1);
        let refused = put.send().await.unwrap_err();
        assert_eq!(refused.raw_response().unwrap().status().as_u16(), 404, "{id}");
    }
    sdk.abort_multipart_upload().bucket(BUCKET).key("k").upload_id(id).send().await.unwrap();
    let dir = server.stop().await;
    assert_eq!(std::fs::read_dir(dir.path().join("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn empty_folders_go_with_their_last_object() {
    let server = Embedded::start().await;
    let store = server.store().objects;
    let options = PutOptions::of_type("text/plain");
    for key in ["a/b/c/d", "a/b/x"] {
        store.put_bytes(BUCKET, key, "".into(), &options).await.unwrap();
    }
    let bucket = server.root().join("buckets").join(BUCKET);
    store.delete(BUCKET, "a/b/c/d").await.unwrap();
    assert!(!bucket.join("+a/+b/+c").exists() && bucket.join("+a/+b").exists());
    store.delete(BUCKET, "a/b/x").await.unwrap();
    assert_eq!(std::fs::read_dir(&bucket).unwrap().count(), 0);
    server.stop().await;
}
