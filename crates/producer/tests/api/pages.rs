//! The pages: what they say in each case, and that nothing comes from elsewhere.

use bytes::Bytes;
use serde_json::json;

use crate::harness::Fleet;
use crate::results::{Output, tiles};

#[tokio::test]
async fn the_first_page_lists_jobs_and_escapes_what_clients_say() {
    let fleet = Fleet::start().await;
    assert!(fleet.get("/").await.text().contains("panofleet submit FILE"));
    let source = "https://example.com/<script>alert(1)</script>.jpg?token=hidden";
    let id = fleet.submitted(&json!({ "source": source })).await;
    let page = fleet.get("/").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let page = page.text();
    assert!(page.contains(&format!("/view/{id}")) && page.contains("1 queued"), "{page}");
    assert!(!page.contains("alert(1)<") && !page.contains("token=hidden"), "{page}");
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(page.contains("/&lt;script&gt;alert(1)") && !page.contains("token=hidden"), "{page}");
}

#[tokio::test]
async fn nothing_is_loaded_from_elsewhere_and_no_script_stands_in_a_page() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    for path in
        ["/".to_owned(), format!("/view/{id}"), format!("/view/{id}?embed=1&viewer=pannellum")]
    {
        let answer = fleet.get(&path).await;
        let csp = answer.header("content-security-policy").unwrap();
        assert!(csp.contains("script-src 'self'") && csp.contains("style-src 'self'"), "{csp}");
        let page = answer.text();
        for (attribute, at) in ["src=\"", "href=\""]
            .iter()
            .flat_map(|a| page.match_indices(a).map(move |(at, _)| (a, at)))
        {
            let value = page.get(at + attribute.len()..).unwrap();
            assert!(value.starts_with('/') || value.starts_with('?'), "{path}: {value:.60}");
        }
        assert!(!page.contains("<style") && !page.contains(" style="), "{path}");
        assert!(
            page.matches("<script").count() == page.matches("<script src=\"/").count(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_job_without_a_result_says_why() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(page.contains("Waits for its turn") && page.contains("data-wait="), "{page}");
    fleet.reject(id).await;
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(page.contains("the source is not a picture") && page.contains("at fault"), "{page}");
    assert!(!page.contains("data-wait="), "{page}");
}

#[tokio::test]
async fn a_job_that_makes_nothing_has_no_manifest_to_show() {
    let fleet = Fleet::start().await;
    let noop = json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop" } } });
    let id = fleet.submitted(&noop).await;
    fleet.succeed(id, &[]).await;
    let job = fleet.get(&format!("/v1/jobs/{id}")).await.ok();
    assert_eq!((&job["state"], &job["links"]["manifest"]), (&json!("succeeded"), &json!(null)));
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(page.contains("there was nothing to make"), "{page}");
}

#[tokio::test]
async fn a_result_shows_pictures_probes_and_warnings() {
    let fleet = Fleet::start().await;
    let outputs = json!({
        "preview": { "op": "image.thumbnail" }, "facts": { "op": "media.probe" },
    });
    let id = fleet.submitted(&json!({ "outputs": outputs })).await;
    let preview = Output {
        name: "preview",
        op: "image.thumbnail",
        entry_points: &[("thumbnail", "preview.jpg")],
        files: vec![("preview.jpg".to_owned(), "image/jpeg", Bytes::from_static(b"jpeg"))],
    };
    let facts = Output {
        name: "facts",
        op: "media.probe",
        entry_points: &[("probe", "probe.json")],
        files: vec![("probe.json".to_owned(), "application/json", Bytes::from_static(b"{}"))],
    };
    fleet.succeed(id, &[preview, facts]).await;
    let page = fleet.get(&format!("/view/{id}")).await.text();
    for part in [
        format!("<img class=\"picture\" src=\"/o/{id}.1/preview/preview.jpg\""),
        format!("href=\"/o/{id}.1/facts/probe.json\""),
        "&quot;width_px&quot;: 4096".to_owned(),
        "taken for stereo &lt;top-bottom&gt;".to_owned(),
        "1.23 MB, 4096 × 2048 px".to_owned(),
    ] {
        assert!(page.contains(&part), "{part}: {page}");
    }
    assert!(!page.contains("id=\"viewer\""), "there is nothing for a viewer");
}

#[tokio::test]
async fn a_pyramid_opens_in_a_viewer_or_the_page_says_how_to_get_one() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    let page = fleet.get(&format!("/view/{id}?yaw=10.5&pitch=-20&hfov=75")).await.text();
    let licences = fleet.get("/viewer/LICENSES.txt").await;
    if licences.status == 404 {
        assert!(licences.problem(404, "no_viewer").contains("./dev viewer"));
        assert!(page.contains("./dev viewer"), "{page}");
        return;
    }
    let licences = licences.text();
    for package in ["@photo-sphere-viewer/core", "three", "pannellum"] {
        assert!(licences.contains(package), "{package}");
    }
    let config = format!("data-config=\"/o/{id}.1/tiles/psv.json\"");
    for part in
        [config.as_str(), "data-yaw=\"10.5\" data-pitch=\"-20\" data-hfov=\"75\"", "/viewer/psv.js"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = fleet.get(&format!("/view/{id}?viewer=pannellum")).await.text();
    assert!(page.contains(&format!("data-config=\"/o/{id}.1/tiles/config.json\"")), "{page}");
    assert!(fleet.get("/viewer/psv.js").await.header("etag").is_some());
}

#[tokio::test]
async fn questions_that_a_page_cannot_answer_are_pages_too() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    fleet.succeed(id, &[tiles()]).await;
    for (path, status, said) in [
        (format!("/view/{}", uuid::Uuid::now_v7()), 404, "job_not_found"),
        ("/view/7".to_owned(), 404, "job_not_found"),
        (format!("/view/{id}?output=other"), 404, "no_such_output"),
        (format!("/view/{id}?eye=right"), 404, "no_such_eye"),
        (format!("/view/{id}?viewer=krpano"), 400, "unknown variant `krpano`"),
        (format!("/view/{id}?pitch=91"), 400, "pitch must be -90 to 90"),
        (format!("/view/{id}?hfov=NaN"), 400, "hfov must be"),
    ] {
        let answer = fleet.get(&path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(answer.text().contains(said), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_video_plays_in_the_page() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let film = ("video.mp4".to_owned(), "video/mp4", Bytes::from_static(b"0123"));
    let output = Output {
        name: "mp4",
        op: "video.transcode",
        entry_points: &[("video", "video.mp4")],
        files: vec![film],
    };
    fleet.succeed(id, &[output]).await;
    let answer = fleet.get(&format!("/view/{id}")).await;
    let csp = answer.header("content-security-policy").unwrap().to_owned();
    assert!(csp.contains("media-src 'self'"), "{csp}");
    let film = format!(
        "<video class=\"picture\" controls preload=\"metadata\" src=\"/o/{id}.1/mp4/video.mp4\">"
    );
    assert!(answer.text().contains(&film), "{}", answer.text());
}

/// `./dev viewer` has built the player, as it has the viewers.
#[tokio::test]
async fn a_stream_plays_in_the_page() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let playlist = "application/vnd.apple.mpegurl";
    let file = |path: &str, kind, bytes| (path.to_owned(), kind, Bytes::from_static(bytes));
    let output = Output {
        name: "film",
        op: "video.ladder",
        entry_points: &[("dash", "manifest.mpd"), ("hls", "master.m3u8")],
        files: vec![
            file("manifest.mpd", "application/dash+xml", b"<MPD/>"),
            file("master.m3u8", playlist, b"#EXTM3U\n"),
        ],
    };
    fleet.succeed(id, &[output]).await;
    let answer = fleet.get(&format!("/view/{id}")).await;
    let csp = answer.header("content-security-policy").unwrap().to_owned();
    assert!(csp.contains("media-src 'self' blob:"), "{csp}");
    let page = answer.text();
    let film = format!("data-stream=\"/o/{id}.1/film/master.m3u8\"");
    assert!(page.contains(&film) && page.contains("/viewer/stream.js"), "{page}");
    assert_eq!(page.matches("<video").count(), 1, "{page}");
    let answer = fleet.get(&format!("/o/{id}.1/film/master.m3u8")).await;
    assert_eq!(answer.header("content-type"), Some(playlist));
    assert!(fleet.get("/viewer/stream.js").await.text().contains("data-stream"));
}
