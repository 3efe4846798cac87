//! Presets: what is asked for by a name is a job with outputs.

use std::collections::BTreeMap;

use panofleet_job_schema::preset::Presets;
use serde_json::{Value, json};

use crate::harness::Fleet;

const SOURCE: &str = "https://example.com/reef.jpg";

fn own(presets: &Value) -> Presets {
    serde_json::from_value(presets.clone()).unwrap()
}

/// The names of a job's outputs, with their operations.
fn outputs(job: &Value) -> BTreeMap<&str, &str> {
    let outputs = job["outputs"].as_object().unwrap().iter();
    outputs.map(|(name, output)| (name.as_str(), output["op"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_preset_is_the_outputs_that_it_names() {
    let hero = json!({ "hero": { "outputs": { "view": { "op": "pano.view", "width_px": 640 } } } });
    let fleet = Fleet::start_with(|config| config.presets = own(&hero)).await;
    let listed = fleet.get("/v1/presets").await.ok();
    let names: Vec<_> = listed["presets"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["hero", "news-embed", "pano-share", "video-share", "vr-video-share"]);

    let asked = json!({ "source": SOURCE, "preset": "pano-share",
        "outputs": { "small": { "op": "media.probe" } } });
    let job = fleet.post("/v1/jobs", &asked).await.ok();
    let expected = [
        ("link", "pano.social"),
        ("planet", "pano.little_planet"),
        ("small", "media.probe"),
        ("tiles", "pano.tiles"),
    ];
    assert_eq!(outputs(&job), BTreeMap::from(expected));
    assert!(job.get("preset").is_none(), "{job}");
    let asked = json!({ "source": SOURCE, "preset": "hero" });
    let job = fleet.post("/v1/jobs", &asked).await.ok();
    assert_eq!(job["outputs"]["view"]["width_px"], 640);
    // Of a video, by the lane for that.
    let asked = json!({ "source": "https://example.com/reef.mp4", "preset": "vr-video-share" });
    assert_eq!(fleet.post("/v1/jobs", &asked).await.ok()["lane"], "video");

    for (asked, said) in [
        (
            json!({ "source": SOURCE, "preset": "heroes" }),
            "there is no preset `heroes`; there are hero, news-embed",
        ),
        (json!({ "source": SOURCE }), "or a preset"),
        (json!({ "source": "none", "preset": "hero" }), "fleet.noop"),
        (
            json!({ "source": SOURCE, "preset": "hero", "outputs": { "n": { "op": "fleet.noop" } } }),
            "fleet.noop",
        ),
    ] {
        let detail = fleet.post("/v1/jobs", &asked).await.problem(422, "does_not_fit");
        assert!(detail.contains(said), "{asked}: {detail}");
    }
}

#[tokio::test]
async fn the_same_words_are_the_same_job_whatever_a_preset_means() {
    let hero = |op: &str| own(&json!({ "hero": { "outputs": { "a": { "op": op } } } }));
    let mut fleet = Fleet::start_with(|config| config.presets = hero("media.probe")).await;
    let asked = json!({ "source": SOURCE, "preset": "hero", "idempotency_key": "k" });
    let first = fleet.post("/v1/jobs", &asked).await.ok();
    fleet.base = fleet.start_another(|config| config.presets = hero("pano.tiles")).await;
    let again = fleet.post("/v1/jobs", &asked).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!((&again.json()["id"], outputs(&again.json())), (&first["id"], outputs(&first)));
    let other = json!({ "source": SOURCE, "preset": "pano-share", "idempotency_key": "k" });
    fleet.post("/v1/jobs", &other).await.problem(409, "idempotency_key_reused");
}
