//! News of many jobs, as server-sent events.

use std::collections::VecDeque;

use panofleet_job_schema::JobId;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::Fleet;

/// A stream, and what of it is not looked at yet.
struct Feed {
    response: Response,
    rest: String,
    events: VecDeque<(String, String, Value)>,
}

impl Feed {
    async fn open(fleet: &Fleet, query: &str, last: Option<&str>) -> Self {
        let mut request = fleet.request(Method::GET, &format!("/v1/events{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        Self { response, rest: String::new(), events: VecDeque::new() }
    }

    /// The next message: its kind, its id, its data.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((event, after)) = self.rest.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines().filter_map(|line| line.strip_prefix(name));
                    lines.next().map(|value| value.trim().to_owned()).unwrap_or_default()
                };
                if !field("data:").is_empty() {
                    let data = serde_json::from_str(&field("data:")).unwrap();
                    self.events.push_back((field("event:"), field("id:"), data));
                }
                self.rest = after.to_owned();
            }
        }
    }

    /// Reads until a job is in this state; the id of that message.
    async fn until(&mut self, id: JobId, state: &str) -> String {
        loop {
            let (kind, message, data) = self.next().await.expect("the stream goes on");
            assert_eq!(kind, "job");
            if data["id"] == json!(id) && data["state"] == state {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn news_of_all_jobs_that_match_come_as_they_happen() {
    let fleet = Fleet::start().await;
    let album = json!({ "labels": { "album": "42" } });
    let first = fleet.submitted(&album).await;
    let ended = fleet.submitted(&album).await;
    fleet.reject(ended).await;
    let mut feed = Feed::open(&fleet, "?label=album:42", None).await;
    assert_eq!(feed.response.headers()["content-type"], "text/event-stream");
    // What has not ended, as it stands, and as any other answer shows it.
    let (_, _, told) = feed.next().await.unwrap();
    assert_eq!(told, fleet.get(&format!("/v1/jobs/{first}")).await.ok());
    // Of others and of what has ended already nothing is heard.
    fleet.submitted(&json!({})).await;
    let second = fleet.submitted(&album).await;
    let (_, _, told) = feed.next().await.unwrap();
    assert_eq!((&told["id"], &told["state"]), (&json!(second), &json!("queued")));
    fleet.send(first).await;
    feed.until(first, "sent").await;
    // One that ends between two looks is heard of all the same, and so is one that is started anew.
    let swift = fleet.submitted(&album).await;
    fleet.reject(swift).await;
    feed.until(swift, "dead").await;
    fleet.post(&format!("/v1/jobs/{ended}/retry"), &json!({})).await.ok();
    feed.until(ended, "queued").await;
    // A row that is gone is said to be.
    let found = fleet.db.get(&[second]).await.unwrap().pop().unwrap();
    let now = fleet.db.now().await.unwrap();
    fleet.db.remove_job(second, found.version, now).await.unwrap();
    let (kind, _, data) = feed.next().await.unwrap();
    assert_eq!((kind.as_str(), data), ("gone", json!({ "id": second })));
    fleet.shutdown.cancel();
    assert!(feed.next().await.is_none(), "it ends with the service");
}

#[tokio::test]
async fn whoever_comes_back_hears_of_what_ended_meanwhile() {
    let fleet = Fleet::start().await;
    let (long_ago, job) = (fleet.submitted(&json!({})).await, fleet.submitted(&json!({})).await);
    fleet.reject(long_ago).await;
    let mut feed = Feed::open(&fleet, "", None).await;
    fleet.send(job).await;
    let last = feed.until(job, "sent").await;
    drop(feed);
    let meanwhile = fleet.submitted(&json!({})).await;
    fleet.reject(meanwhile).await;
    let mut feed = Feed::open(&fleet, "", Some(&last)).await;
    let mut heard = Vec::new();
    for _ in 0..2 {
        let (_, _, data) = feed.next().await.unwrap();
        heard.push((data["id"].clone(), data["state"].clone()));
    }
    assert!(heard.contains(&(json!(meanwhile), json!("dead"))), "{heard:?}");
    assert!(heard.contains(&(json!(job), json!("sent"))), "{heard:?}");
}

#[tokio::test]
async fn a_feed_says_what_it_cannot_follow() {
    let fleet = Fleet::start_with(|config| config.http.streams_max = 1).await;
    let _feed = Feed::open(&fleet, "", None).await;
    fleet.get("/v1/events").await.problem(503, "too_many_streams");
    fleet.get("/v1/events?label=nothing").await.problem(400, "bad_parameter");
    fleet.get("/v1/events?state=dead").await.problem(400, "bad_parameter");
}
