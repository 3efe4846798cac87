//! What a job is likely to take and to make.

use panofleet_job_schema::{JobId, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Fleet, spec};
use crate::results::tiles;

impl Fleet {
    /// A job that a worker had for so long.
    async fn took(&self, seconds: i64) -> JobId {
        let id = self.submitted(&json!({})).await;
        self.succeed(id, &[tiles()]).await;
        // Its history says when; the clock of a test is no clock to wait for.
        let entries = self.db.history(id).await.unwrap();
        let claimed = entries.iter().find(|entry| entry.reason == "claimed").unwrap().at;
        let ended = Timestamp::from_millis(claimed.as_millis() + 1000 * seconds);
        sqlx::query("UPDATE history SET doc = json_set(doc, '$.at', ?) WHERE job = ? AND doc ->> '$.reason' = 'succeeded'")
            .bind(serde_json::to_value(ended).unwrap().to_string().trim_matches('"').to_owned())
            .bind(id.0.as_bytes().to_vec())
            .execute(&self.file.writer)
            .await
            .unwrap();
        id
    }
}

#[tokio::test]
async fn an_estimate_is_read_off_jobs_of_the_same_kind() {
    let fleet = Fleet::start().await;
    let ask = async |extra: Value| fleet.post("/v1/estimates", &spec(&extra)).await;
    let nothing = ask(json!({})).await.ok();
    assert_eq!((&nothing["sample"], nothing.get("worker_s")), (&json!(0), None));
    for seconds in 1..=10 {
        fleet.took(seconds).await;
    }
    // One of another kind does not count.
    let other = json!({ "outputs": { "p": { "op": "media.probe" } } });
    let id = fleet.submitted(&other).await;
    fleet.succeed(id, &[tiles()]).await;
    let estimate = ask(json!({})).await.ok();
    assert_eq!(estimate["operations"], json!(["pano.tiles"]));
    assert_eq!((&estimate["sample"], &estimate["scaled"]), (&json!(10), &json!(false)));
    assert_eq!(estimate["worker_s"], json!({ "p50": 5.0, "p90": 9.0 }));
    assert_eq!(estimate["output_bytes"], json!({ "p50": 14.0, "p90": 14.0 }));
    assert_eq!(estimate["slots"], 0, "no worker is there");

    // Twice the bytes take twice as long; the sources of the others had 1,234,567.
    let begun = fleet.post("/v1/uploads", &json!({ "bytes": 2 * 1_234_567 })).await.ok();
    let large = ask(json!({ "source": begun["source"] })).await.ok();
    assert_eq!(large["scaled"], true);
    assert_eq!(large["worker_s"], json!({ "p50": 10.0, "p90": 18.0 }));
    assert_eq!(large["output_bytes"]["p50"], 28.0);
    ask(json!({ "outputs": {} })).await.problem(422, "does_not_fit");
    ask(json!({ "region": "nowhere" })).await.problem(422, "region_unknown");
    let absent = format!("upload:{}", uuid::Uuid::nil());
    ask(json!({ "source": absent })).await.problem(422, "upload_unknown");
    // What is ahead of it.
    assert_eq!(estimate["ahead"], 0);
    fleet.submitted(&json!({})).await;
    assert_eq!(ask(json!({})).await.ok()["ahead"], 1);
}

#[tokio::test]
async fn what_a_job_has_cost_is_in_its_history() {
    let fleet = Fleet::start().await;
    let id = fleet.took(7).await;
    let history = fleet.get(&format!("/v1/jobs/{id}/history")).await.ok();
    assert_eq!(
        (&history["cost"]["worker_s"], &history["cost"]["wasted_s"]),
        (&json!(7.0), &json!(0.0))
    );
    let failed = fleet.submitted(&json!({})).await;
    fleet.reject(failed).await;
    let history = fleet.get(&format!("/v1/jobs/{failed}/history")).await.ok();
    assert_eq!(history["cost"]["worker_s"], history["cost"]["wasted_s"]);
}
