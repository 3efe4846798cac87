//! News of a job, as server-sent events.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::{Answer, Fleet};

/// The next event: its id and its data. `None` at the end.
async fn next(response: &mut Response, rest: &mut String) -> Option<(String, Value)> {
    loop {
        while let Some((event, after)) = rest.split_once("\n\n") {
            let field = |name: &str| {
                let mut lines = event.lines().filter_map(|line| line.strip_prefix(name));
                lines.next().map(|value| value.trim().to_owned())
            };
            let found = field("data:").map(|data| {
                assert_eq!(field("event:").as_deref(), Some("job"));
                (field("id:").unwrap(), serde_json::from_str(&data).unwrap())
            });
            *rest = after.to_owned();
            if found.is_some() {
                return found;
            }
        }
        let chunk = response.chunk().await.unwrap()?;
        rest.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

async fn open(fleet: &Fleet, id: impl std::fmt::Display, last: Option<&str>) -> Response {
    let mut request = fleet.request(Method::GET, &format!("/v1/jobs/{id}/events"));
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_job_s_news_come_until_it_has_ended() {
    let fleet = Fleet::start().await;
    let id = fleet.submitted(&json!({})).await;
    let mut stream = open(&fleet, id, None).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut rest = String::new();
    let (version, job) = next(&mut stream, &mut rest).await.unwrap();
    assert_eq!((version.as_str(), &job["state"], &job["id"]), ("1", &json!("queued"), &json!(id)));
    assert_eq!(job, fleet.get(&format!("/v1/jobs/{id}")).await.ok());
    fleet.send(id).await;
    // Changes that follow each other at once may come as one.
    loop {
        let (_, job) = next(&mut stream, &mut rest).await.unwrap();
        if job["state"] == "sent" && job["version"] == 3 {
            break;
        }
    }
    // Whoever knows the job as it is hears of what comes next.
    let mut later = open(&fleet, id, Some("3")).await;
    let path = format!("/v1/jobs/{id}/cancel");
    fleet.post(&path, &json!({})).await.ok();
    let mut unread = String::new();
    let (_, job) = next(&mut later, &mut unread).await.unwrap();
    assert_ne!(job["state"], "sent");
    fleet
        .apply(id, |now, job| panofleet_job_schema::lifecycle::Event::Sealed {
            generation: job.generation,
            now,
        })
        .await;
    let mut last = job;
    while let Some((_, job)) = next(&mut later, &mut unread).await {
        last = job;
    }
    assert_eq!(
        last["state"], "cancelled",
        "the last event says how it ended, then the stream ends"
    );
    // Of a job that has ended there is that one event, whatever the client knows.
    let mut over = open(&fleet, id, Some(&last["version"].to_string())).await;
    let mut rest = String::new();
    assert!(next(&mut over, &mut rest).await.is_some());
    assert!(next(&mut over, &mut rest).await.is_none());
}

#[tokio::test]
async fn streams_are_limited_and_end_with_the_service() {
    let fleet = Fleet::start_with(|config| config.http.streams_max = 1).await;
    let id = fleet.submitted(&json!({})).await;
    let mut stream = open(&fleet, id, None).await;
    let mut rest = String::new();
    next(&mut stream, &mut rest).await.unwrap();
    let refused = Answer::of(open(&fleet, id, None).await).await;
    refused.problem(503, "too_many_streams");
    fleet.shutdown.cancel();
    assert!(next(&mut stream, &mut rest).await.is_none());
}

#[tokio::test]
async fn a_job_that_there_is_not_has_no_news() {
    let fleet = Fleet::start().await;
    let absent = open(&fleet, uuid::Uuid::nil(), None).await;
    Answer::of(absent).await.problem(404, "job_not_found");
}
