//! Dead letters: looking at them, and asking for them to go back.

use panofleet_bus::{Bus as _, DeadLetter};
use panofleet_job_schema::job::Placement;
use serde_json::{Value, json};

use crate::harness::Fleet;

impl Fleet {
    async fn bury(&self, offset: u64, payload: &'static [u8]) {
        let letter = DeadLetter {
            topic: "pf.events".into(),
            placement: Placement { partition: 1, offset },
            reason: format!("reason {offset}"),
            payload: payload.into(),
        };
        self.bus.dead_letter(letter).await.unwrap();
    }
}

#[tokio::test]
async fn letters_are_listed_shown_and_asked_for() {
    let fleet = Fleet::start().await;
    assert_eq!(fleet.get("/v1/dead-letters").await.ok(), json!({ "letters": [], "next": null }));
    for offset in 0..3 {
        fleet.bury(offset, b"pf9 k 00\n\x1b{}").await;
    }
    let page = fleet.get("/v1/dead-letters?limit=2").await.ok();
    let offsets = |page: &Value| -> Vec<u64> {
        let letters = page["letters"].as_array().unwrap();
        letters.iter().map(|letter| letter["offset"].as_u64().unwrap()).collect()
    };
    assert_eq!(offsets(&page), [2, 1]);
    let rest = fleet.get(&format!("/v1/dead-letters?before={}", page["next"])).await.ok();
    assert_eq!((offsets(&rest), &rest["next"]), (vec![0], &Value::Null));

    let id = page["letters"][0]["id"].as_u64().unwrap();
    let letter = fleet.get(&format!("/v1/dead-letters/{id}")).await.ok();
    assert_eq!(
        (&letter["topic"], &letter["partition"], &letter["reason"], &letter["bytes"]),
        (&json!("pf.events"), &json!(1), &json!("reason 2"), &json!(12))
    );
    assert_eq!(letter["excerpt"], "pf9 k 00\n\\u{1b}{}");
    assert_eq!(letter["replay"], Value::Null);

    let path = format!("/v1/dead-letters/{id}/replay");
    let asked = fleet.post(&path, &json!({})).await;
    assert_eq!(asked.status, 202);
    assert_eq!(asked.json()["replay"]["ended_at"], Value::Null);
    assert_eq!(fleet.post(&path, &json!({})).await.json(), asked.json(), "twice is once");
    let open = fleet.db.open_replays(9).await.unwrap();
    assert_eq!(open.iter().map(|replay| replay.letter.id).collect::<Vec<_>>(), [id]);
    let now = fleet.db.now().await.unwrap();
    fleet.db.end_replay(open[0].letter, now, None).await.unwrap();
    fleet.post(&path, &json!({})).await.problem(409, "already_replayed");
    let listed = fleet.get("/v1/dead-letters").await.ok();
    assert_eq!(listed["letters"][0]["replay"]["ended_at"], now.to_string());
}

#[tokio::test]
async fn letters_that_are_not_there_are_said_so() {
    let fleet = Fleet::start().await;
    for id in ["1", "x", "-1", "18446744073709551615"] {
        fleet.get(&format!("/v1/dead-letters/{id}")).await.problem(404, "letter_not_found");
        let replay = format!("/v1/dead-letters/{id}/replay");
        fleet.post(&replay, &json!({})).await.problem(404, "letter_not_found");
    }
    for query in ["limit=0", "limit=201", "before=x"] {
        fleet.get(&format!("/v1/dead-letters?{query}")).await.problem(400, "bad_parameter");
    }
}
