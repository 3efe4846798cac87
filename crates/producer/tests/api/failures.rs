//! What failed, by why; one action for all that match.

use serde_json::json;

use crate::harness::Fleet;

#[tokio::test]
async fn what_failed_alike_is_one_group() {
    let fleet = Fleet::start().await;
    assert_eq!(fleet.get("/v1/failures").await.ok()["groups"], json!([]));
    assert!(fleet.get("/failures").await.text().contains("Nothing failed"));
    let mut dead = Vec::new();
    for _ in 0..3 {
        let id = fleet.submitted(&json!({ "labels": { "album": "42" } })).await;
        fleet.reject(id).await;
        dead.push(id);
    }
    let other = fleet.submitted(&json!({})).await;
    let groups = fleet.get("/v1/failures?failed_within=1h").await.ok();
    let group = &groups["groups"][0];
    assert_eq!(groups["groups"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&group["code"], &group["class"], &group["jobs"]),
        (&json!("not_a_picture"), &json!("rejected"), &json!(3))
    );
    assert_eq!(group["states"], json!({ "dead": 3 }));
    assert_eq!(group["regions"], json!({ "home": 3 }));
    assert_eq!(group["sample"]["id"], json!(dead[2]));
    let fingerprint = group["fingerprint"].as_str().unwrap();
    let listed = fleet.get(&format!("/v1/jobs?failure={fingerprint}")).await.ok();
    let listed: Vec<_> = listed["jobs"].as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!(listed, [&json!(dead[2]), &json!(dead[1]), &json!(dead[0])]);
    assert_eq!(fleet.get("/v1/jobs?region=nowhere").await.ok()["jobs"], json!([]));

    let page = fleet.get("/failures").await.text();
    assert!(
        page.contains(&format!("/failures/{fingerprint}")) && page.contains("3 dead"),
        "{page}"
    );
    let page = fleet.get(&format!("/failures/{fingerprint}")).await.text();
    assert!(page.contains("Start 3 jobs anew") && page.contains(&dead[0].to_string()), "{page}");
    assert!(!page.contains(&other.to_string()), "{page}");
    assert_eq!(fleet.get("/failures/0000000000000000").await.status, 404);
    for bad in ["?limit=0", "?limit=201", "?failed_within=yesterday", "?since=1h"] {
        fleet.get(&format!("/v1/failures{bad}")).await.problem(400, "bad_parameter");
    }
}

#[tokio::test]
async fn jobs_are_found_by_what_they_make_and_by_who_ran_them() {
    let fleet = Fleet::start().await;
    let probe = json!({ "outputs": { "p": { "op": "media.probe" } } });
    let (tiles, probe) = (fleet.submitted(&json!({})).await, fleet.submitted(&probe).await);
    fleet.reject(probe).await;
    let listed = async |query: &str| {
        let page = fleet.get(&format!("/v1/jobs?{query}")).await.ok();
        let jobs = page["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("operation=pano.tiles").await, [tiles.to_string()]);
    assert_eq!(listed("operation=media.probe&state=dead").await, [probe.to_string()]);
    assert_eq!(listed("worker=w1&attempt=1").await, [probe.to_string()]);
    assert!(listed("worker=w2").await.is_empty());
    let unknown = fleet.get("/v1/jobs?operation=pano").await.problem(400, "bad_parameter");
    assert!(unknown.contains("pano.tiles"), "{unknown}");
    for bad in ["worker=A%20B", "attempt=one", "attempt=-1"] {
        fleet.get(&format!("/v1/jobs?{bad}")).await.problem(400, "bad_parameter");
    }
    for (filter, matched) in [
        (json!({ "worker": "w1" }), 1),
        (json!({ "worker": "w1", "operation": "pano.tiles" }), 0),
        (json!({ "attempt": 1, "operation": "media.probe" }), 1),
    ] {
        let body = json!({ "action": "retry", "filter": filter, "dry_run": true });
        assert_eq!(fleet.post("/v1/bulk", &body).await.ok()["matched"], matched, "{body}");
    }
}

#[tokio::test]
async fn a_bulk_action_is_counted_then_asked_for_then_stopped() {
    let fleet = Fleet::start().await;
    for album in ["1", "1", "2"] {
        let id = fleet.submitted(&json!({ "labels": { "album": album } })).await;
        fleet.reject(id).await;
    }
    let open = fleet.submitted(&json!({ "labels": { "album": "1" } })).await;
    let count = async |action: &str, filter: serde_json::Value| {
        let body = json!({ "action": action, "filter": filter, "dry_run": true });
        fleet.post("/v1/bulk", &body).await.ok()["matched"].clone()
    };
    assert_eq!(count("retry", json!({})).await, 3);
    assert_eq!(count("retry", json!({ "label": "album:1" })).await, 2);
    assert_eq!(count("retry", json!({ "region": "nowhere" })).await, 0);
    assert_eq!(count("retry", json!({ "failed_within": "1h" })).await, 3);
    assert_eq!(count("cancel", json!({})).await, 1, "what has not ended");
    assert_eq!(fleet.get("/v1/bulk").await.ok()["bulk"], json!([]), "counting does nothing");

    let body = json!({ "action": "retry", "filter": { "label": "album:1" } });
    let asked = fleet.post("/v1/bulk", &body).await;
    assert_eq!(asked.status, 202);
    let asked = asked.json();
    assert_eq!((&asked["matched"], &asked["done"]), (&json!(2), &json!(0)));
    assert_eq!(asked["states"], json!(["dead", "expired"]));
    let id = asked["id"].as_str().unwrap();
    assert_eq!(fleet.get(&format!("/v1/bulk/{id}")).await.ok(), asked);
    assert!(fleet.get(&format!("/bulk/{id}")).await.text().contains("under way"));
    // Nobody leads in this test: it waits, and can be stopped.
    let stopped = fleet.post(&format!("/v1/bulk/{id}/stop"), &json!({})).await.ok();
    assert_eq!(stopped["stopped"], true);
    assert_eq!(fleet.post(&format!("/v1/bulk/{id}/stop"), &json!({})).await.ok(), stopped);
    assert!(fleet.get(&format!("/bulk/{id}")).await.text().contains("stopped"));
    assert_eq!(fleet.get("/v1/bulk").await.ok()["bulk"], json!([stopped]));
    assert_eq!(fleet.get(&format!("/v1/jobs/{open}")).await.ok()["state"], "queued");

    for (body, status, code) in [
        (json!({ "action": "explode" }), 422, "does_not_fit"),
        (json!({ "action": "retry", "filter": { "states": ["lost"] } }), 400, "bad_parameter"),
        (json!({ "action": "retry", "filter": { "label": "album" } }), 400, "bad_parameter"),
        (json!({ "action": "retry", "filter": { "colour": 1 } }), 422, "does_not_fit"),
    ] {
        fleet.post("/v1/bulk", &body).await.problem(status, code);
    }
    fleet.get("/v1/bulk/nonsense").await.problem(404, "bulk_not_found");
    for _ in 0..16 {
        assert_eq!(fleet.post("/v1/bulk", &json!({ "action": "retry" })).await.status, 202);
    }
    let one_more = fleet.post("/v1/bulk", &json!({ "action": "retry" })).await;
    one_more.problem(409, "too_many_bulk_actions");
}
