//! The pages: what they say in each case, and that nothing comes from elsewhere.

use bytes::Bytes;
use reqwest::Method;
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
    for path in [
        "/".to_owned(),
        "/api".to_owned(),
        "/webhooks".to_owned(),
        "/fleet".to_owned(),
        "/schedules".to_owned(),
        "/dead-letters".to_owned(),
        "/audit".to_owned(),
        "/?state=queued&label=a%3Ab".to_owned(),
        format!("/view/{id}"),
        format!("/view/{id}?embed=1&viewer=pannellum"),
    ] {
        let answer = fleet.get(&path).await;
        let csp = answer.header("content-security-policy").unwrap();
        assert!(csp.contains("script-src 'self'") && csp.contains("style-src 'self'"), "{csp}");
        let page = answer.text();
        for (attribute, at) in ["src=\"", "href=\""]
            .iter()
            .flat_map(|a| page.match_indices(a).map(move |(at, _)| (a, at)))
        {
            let value = page.get(at + attribute.len()..).unwrap();
            assert!(value.starts_with(['/', '?', '#']), "{path}: {value:.60}");
        }
        assert!(!page.contains("<style") && !page.contains(" style="), "{path}");
        assert!(
            page.matches("<script").count() == page.matches("<script src=\"/").count(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn jobs_are_looked_for_with_a_form() {
    let fleet = Fleet::start().await;
    let labelled = json!({ "labels": { "album": "<42>" } });
    let (one, other) = (fleet.submitted(&labelled).await, fleet.submitted(&json!({})).await);
    let shown = async |query: &str| {
        let page = fleet.get(&format!("/?{query}")).await.text();
        (page.contains(&one.to_string()), page.contains(&other.to_string()))
    };
    // What was left empty is not looked for.
    assert_eq!(shown("state=queued&label=&region=&worker=&failure=").await, (true, true));
    assert_eq!(shown("label=album%3A%3C42%3E&operation=pano.tiles").await, (true, false));
    assert_eq!(shown("operation=video.ladder").await, (false, false));
    let page = fleet.get("/?label=album%3A%3C42%3E&operation=pano.tiles").await.text();
    assert!(page.contains("value=\"album:&lt;42&gt;\"") && !page.contains("<42>"), "{page}");
    assert!(page.contains("<option value=\"pano.tiles\" selected>pano.tiles</option>"), "{page}");
    assert_eq!(fleet.get("/?attempt=first").await.status, 400);
    let older = fleet.get("/?limit=1").await.text();
    assert!(older.contains(&format!("/?before={other}&amp;limit=1")), "{older}");
    assert_eq!(shown(&format!("before={other}&limit=1")).await, (true, false));
}

#[tokio::test]
async fn who_runs_the_fleet_sees_its_queues_workers_and_pauses() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    fleet.populate().await;
    let why = json!({ "reason": "a <new> kernel" });
    let put = |path: &'static str| fleet.request(Method::PUT, path).json(&why).send();
    for path in ["/v1/workers/w1/drain", "/v1/pauses/tenant/acme"] {
        assert!(put(path).await.unwrap().status().is_success());
    }
    let page = fleet.get("/fleet").await.text();
    for words in [
        "w1",
        "Take jobs again",
        "a &lt;new&gt; kernel",
        "home",
        "data-path=\"/v1/pauses/tenant/acme\"",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let letters = fleet.get("/dead-letters").await.text();
    assert!(letters.contains("pf.events 1:1") && letters.contains("Put back"), "{letters}");
    let audit = fleet.get("/audit").await.text();
    assert!(audit.contains("worker.drain") && audit.contains("api.admin_key"), "{audit}");
    // Who may not see it is not led there.
    let (_, reader) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let home = fleet.get_by(&reader, "/").await.text();
    assert!(home.contains("href=\"/webhooks\"") && !home.contains("href=\"/fleet\""), "{home}");
    assert_eq!(fleet.get_by(&reader, "/fleet").await.status, 403);
}

#[tokio::test]
async fn schedules_and_webhooks_have_pages() {
    let fleet = Fleet::start().await;
    let job = json!({ "source": "https://example.com/a.jpg", "outputs": { "p": { "op": "media.probe" } } });
    let nightly = json!({ "cron": "0 3 * * *", "job": job });
    let put = fleet.request(Method::PUT, "/v1/schedules/nightly").json(&nightly).send();
    assert!(put.await.unwrap().status().is_success());
    let page = fleet.get("/schedules").await.text();
    assert!(page.contains("nightly") && page.contains("/v1/schedules/nightly/pause"), "{page}");
    assert!(fleet.get("/webhooks").await.text().contains("webhooks add"));
    let hook = json!({ "url": "https://example.com/hook?<b>", "events": ["job.dead"] });
    let hook = fleet.post("/v1/webhooks", &hook).await.ok()["id"].as_str().unwrap().to_owned();
    let page = fleet.get("/webhooks").await.text();
    assert!(page.contains(&hook) && page.contains("job.dead") && !page.contains("<b>"), "{page}");
    fleet.post(&format!("/v1/webhooks/{hook}/test"), &json!({})).await.ok();
    let page = fleet.get(&format!("/webhooks/{hook}")).await.text();
    assert!(page.contains("webhook.test") && page.contains("pending"), "{page}");
    assert!(page.contains("Send a test") && !page.contains("whsec"), "{page}");
}

#[tokio::test]
async fn a_job_s_page_tells_what_happened_and_offers_what_can_be_done() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, reader) = fleet.new_key(Some("default"), &["jobs:read"]).await;
    let id = fleet.submitted(&json!({})).await;
    let path = format!("/view/{id}");
    let page = fleet.get(&path).await.text();
    let cancel = format!("data-path=\"/v1/jobs/{id}/cancel\"");
    assert!(page.contains(&cancel) && !page.contains("What happened"), "{page}");
    fleet.reject(id).await;
    let page = fleet.get(&path).await.text();
    let retry = format!("data-path=\"/v1/jobs/{id}/retry\"");
    for words in [retry.as_str(), "What happened", "<rect class=\"bad\"", "attempt failed", "w1"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.contains("the source is not a picture"), "{page}");
    let page = fleet.get_by(&reader, &path).await.text();
    assert!(page.contains("What happened") && !page.contains("data-path"), "{page}");
    fleet.post(&format!("/v1/jobs/{id}/retry"), &json!({})).await.ok();
    assert!(fleet.get(&path).await.text().contains(&cancel));
}

#[tokio::test]
async fn what_is_on_fire_comes_first() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, reader) = fleet.new_key(Some("default"), &["jobs:read"]).await;
    // Of a service of its own: jobs are counted now and then, for all who look.
    assert!(!Fleet::start().await.get("/").await.text().contains("class=\"note\""));
    let id = fleet.submitted(&json!({})).await;
    fleet.reject(id).await;
    fleet.submitted(&json!({})).await;
    let pause = fleet.request(Method::PUT, "/v1/pauses/tenant/acme").json(&json!({ "reason": "" }));
    assert!(pause.send().await.unwrap().status().is_success());
    let page = fleet.get("/").await.text();
    for words in
        ["1 job failed for good", "Nobody takes the jobs of home.image", "held back by 1 pause"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    // What is the fleet's is for those who run it.
    let page = fleet.get_by(&reader, "/").await.text();
    assert!(page.contains("1 job failed for good") && !page.contains("Nobody takes"), "{page}");
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
async fn what_can_be_done_to_one_job_or_to_all_that_match_is_offered() {
    let fleet = Fleet::start().await;
    let in_an_hour = fleet.db.now().await.unwrap() + std::time::Duration::from_secs(3600);
    let later = json!({ "start_at": in_an_hour, "priority": "low", "labels": { "a": "b" } });
    let id = fleet.submitted(&later).await;
    let page = fleet.get(&format!("/view/{id}")).await.text();
    assert!(page.contains("Is not to begin before") && !page.contains("failed"), "{page}");
    for text in [">Cancel<", ">Move to high<", ">Move to normal<", ">Delete<"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains(">Move to low<") && !page.contains(">Run again<"), "{page}");
    let list = fleet.get("/?label=a%3Ab&state=waiting,dead&attempt=&before=").await.text();
    let filter = "&quot;filter&quot;:{&quot;label&quot;:&quot;a:b&quot;,&quot;states&quot;:[&quot;waiting&quot;,&quot;dead&quot;]}";
    assert_eq!(list.matches(filter).count(), 5, "four actions and the view: {list}");
    assert!(list.contains("Start {} anew?") && list.contains("All that match"), "{list}");
    for none in ["/", "/?label=c%3Ad", &format!("/?parent={id}"), "/?limit=5"] {
        assert!(!fleet.get(none).await.text().contains("All that match"), "{none}");
    }
    // Nothing can be done once it is to be deleted; one that makes nothing has a page until it is gone.
    let noop = json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop" } } });
    let noop = fleet.submitted(&noop).await;
    for (id, said) in [(id, "was deleted by request"), (noop, "Deleted: asked for")] {
        fleet.request(Method::DELETE, &format!("/v1/jobs/{id}")).send().await.unwrap();
        let page = fleet.get(&format!("/view/{id}")).await.text();
        assert!(page.contains(said) && !page.contains("<button"), "{page}");
    }
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
