//! Webhooks: who may have whom told, what is told, and what becomes of it where the receiver fails.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use panofleet_job_schema::lifecycle::{Event, Horizon};
use panofleet_job_schema::{Job, JobId, Region, Span, Timestamp};
use panofleet_jobs_db::{Delivery, DeliveryState};
use panofleet_producer::dispatcher::{DispatchConfig, Dispatcher, RetentionConfig};
use panofleet_service::clock::wall_clock;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::harness::{Answer, DEADLINE, Fleet, HOME};

/// Somebody who is told things. It answers as the test says, 200 when the test says nothing.
struct Receiver {
    url: String,
    heard: mpsc::UnboundedReceiver<Message>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

#[derive(Debug)]
struct Message {
    headers: HeaderMap,
    body: Bytes,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// How many of its signatures are of this secret.
    fn signed_with(&self, secret: &str) -> usize {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        let signatures = self.header("webhook-signature").split(' ');
        signatures.filter(|signature| *signature == expected).count()
    }
}

impl Receiver {
    async fn start(fleet: &mut Fleet) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?for=me", listener.local_addr().unwrap());
        let (said, heard) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(VecDeque::new()));
        let (theirs, shutdown) = (Arc::clone(&answers), fleet.shutdown.clone());
        let hear = async move |headers: HeaderMap, body: Bytes| {
            said.send(Message { headers, body }).unwrap();
            let answer = theirs.lock().unwrap().pop_front().unwrap_or(StatusCode::OK);
            (answer, [("location", "http://127.0.0.1:1/")])
        };
        let router = axum::Router::new().fallback(hear);
        fleet.servers.spawn(async move {
            let serve = axum::serve(listener, router);
            serve.with_graceful_shutdown(shutdown.cancelled_owned()).await.unwrap();
        });
        Self { url, heard, answers }
    }

    async fn next(&mut self) -> Message {
        tokio::time::timeout(DEADLINE, self.heard.recv()).await.expect("it is told").unwrap()
    }

    fn answer(&self, statuses: &[u16]) {
        let statuses = statuses.iter().map(|status| StatusCode::from_u16(*status).unwrap());
        self.answers.lock().unwrap().extend(statuses);
    }
}

/// An API whose webhooks may lie on this machine, and the dispatcher that tells them.
async fn telling() -> Fleet {
    let mut fleet = Fleet::start_with(|config| {
        config.webhooks.networks = vec!["127.0.0.0/8".parse().unwrap()];
        config.webhooks.timeout = Span::from_millis(2000);
    })
    .await;
    let dispatcher = Dispatcher {
        db: fleet.state.db.clone(),
        bus: fleet.state.bus.clone(),
        objects: fleet.objects.clone(),
        keys: fleet.state.keys.clone(),
        policy: fleet.policy,
        regions: vec![Region::new(HOME).unwrap()],
        config: DispatchConfig::default(),
        retention: RetentionConfig::default(),
        api: fleet.state.config.clone(),
    };
    fleet.servers.spawn(dispatcher.run(fleet.shutdown.clone()));
    fleet
}

async fn add(fleet: &Fleet, url: &str, events: &[&str]) -> (Uuid, String) {
    let asked = json!({ "url": url, "events": events });
    let answer = fleet.post("/v1/webhooks", &asked).await;
    let made = answer.ok();
    let id = made["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/v1/webhooks/{id}").as_str()));
    (id.parse().unwrap(), made["secret"].as_str().unwrap().to_owned())
}

/// Jobs that start then stay where they are.
fn tomorrow() -> Timestamp {
    wall_clock() + Duration::from_secs(24 * 3600)
}

async fn cancelled(fleet: &Fleet) -> JobId {
    let job = fleet.submitted(&json!({ "start_at": tomorrow() })).await;
    fleet.post(&format!("/v1/jobs/{job}/cancel"), &json!({})).await.ok();
    job
}

/// The only delivery of a webhook, once it is as the test wants it.
async fn delivery_when(fleet: &Fleet, of: Uuid, is: impl Fn(&Delivery) -> bool) -> Delivery {
    let wanted = async {
        loop {
            let found = fleet.db.deliveries(of, None, None, 9).await.unwrap();
            if let Some(found) = found.into_iter().find(&is) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, wanted).await.expect("a delivery comes to stand like that")
}

/// Has the next try due at once.
async fn hurry(fleet: &Fleet) {
    let query = sqlx::query("UPDATE deliveries SET due_at = 0 WHERE due_at IS NOT NULL");
    query.execute(&fleet.file.writer).await.unwrap();
}

async fn request(fleet: &Fleet, method: Method, path: &str, body: &Value) -> Answer {
    Answer::of(fleet.request(method, path).json(body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_webhook_hears_what_it_wants_to_hear_signed() {
    let mut fleet = telling().await;
    let mut all = Receiver::start(&mut fleet).await;
    let mut deaths = Receiver::start(&mut fleet).await;
    let (id, secret) = add(&fleet, &all.url, &[]).await;
    add(&fleet, &deaths.url, &["job.dead", "job.expired"]).await;

    let job = cancelled(&fleet).await;
    let heard = all.next().await;
    assert_eq!(heard.header("content-type"), "application/json");
    assert_eq!((heard.signed_with(&secret), heard.signed_with("whsec_AAAA")), (1, 0));
    let at: i64 = heard.header("webhook-timestamp").parse().unwrap();
    assert!((wall_clock().as_millis() / 1000 - at).abs() < 60);
    let message = heard.json();
    let shown = fleet.get(&format!("/v1/jobs/{job}")).await.ok();
    assert_eq!((&message["type"], &message["data"]), (&json!("job.cancelled"), &shown));
    assert_eq!(message["timestamp"], shown["finished_at"]);

    // The other hears of deaths only.
    let dead = fleet.submitted(&json!({ "start_at": tomorrow(), "labels": { "a": "b" } })).await;
    let told = delivery_when(&fleet, id, |delivery| delivery.job == Some(job)).await;
    assert_eq!(told.id.to_string(), heard.header("webhook-id"));
    let late = |_, job: &Job| Event::Tick { now: job.deadline_at, horizon: Horizon::default() };
    fleet.apply(dead, late).await;
    hurry(&fleet).await; // it is over tomorrow
    let (one, two) = (all.next().await.json(), deaths.next().await.json());
    assert_eq!(one, two);
    assert_eq!((&one["type"], &one["data"]["labels"]["a"]), (&json!("job.expired"), &json!("b")));
}

#[tokio::test]
async fn what_cannot_be_told_is_told_later_in_the_same_words() {
    let mut fleet = telling().await;
    let mut receiver = Receiver::start(&mut fleet).await;
    // A redirect is no answer, and is not followed.
    receiver.answer(&[500, 302, 200]);
    let (id, secret) = add(&fleet, &receiver.url, &[]).await;
    let job = cancelled(&fleet).await;
    let first = receiver.next().await;
    let failed = delivery_when(&fleet, id, |delivery| delivery.tries == 1).await;
    assert_eq!((failed.state, failed.job), (DeliveryState::Pending, Some(job)));
    let last = failed.last.unwrap();
    assert_eq!((last.status, &last.error), (Some(500), &None));
    let wait = failed.due_at.unwrap().since(last.at).as_millis();
    assert!((3_900..=6_100).contains(&wait), "{wait} ms");
    hurry(&fleet).await;
    receiver.next().await;
    let failed = delivery_when(&fleet, id, |delivery| delivery.tries == 2).await;
    assert_eq!(failed.last.unwrap().status, Some(302));
    hurry(&fleet).await;
    let third = receiver.next().await;
    assert_eq!(first.header("webhook-id"), third.header("webhook-id"));
    assert_eq!(first.json(), third.json());
    assert_eq!(third.signed_with(&secret), 1);
    let told = delivery_when(&fleet, id, |delivery| delivery.tries == 3).await;
    assert_eq!((told.state, told.due_at), (DeliveryState::Delivered, None));

    // Once more, because somebody asks for it.
    let again = json!({ "delivery": told.id });
    let replayed = fleet.post(&format!("/v1/webhooks/{id}/replay"), &again).await.ok();
    assert_eq!(replayed, json!({ "replayed": 1 }));
    assert_eq!(receiver.next().await.header("webhook-id"), told.id.to_string());
    let again = json!({ "delivery": Uuid::nil() });
    let refused = fleet.post(&format!("/v1/webhooks/{id}/replay"), &again).await;
    refused.problem(404, "delivery_not_found");
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_gets_no_more() {
    let mut fleet = telling().await;
    let mut receiver = Receiver::start(&mut fleet).await;
    receiver.answer(&[410]);
    let (id, _) = add(&fleet, &receiver.url, &[]).await;
    cancelled(&fleet).await;
    receiver.next().await;
    delivery_when(&fleet, id, |delivery| delivery.state == DeliveryState::Failed).await;
    let path = format!("/v1/webhooks/{id}");
    let disabled = async {
        loop {
            let shown = fleet.get(&path).await.ok();
            if shown["disabled"]["why"] == "gone" {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, disabled).await.unwrap();
    cancelled(&fleet).await;
    fleet.post(&format!("{path}/test"), &json!({})).await.problem(409, "webhook_disabled");
    // What happens meanwhile is not kept; what could not be told is there to be replayed.
    let listed = fleet.get(&format!("{path}/deliveries")).await.ok();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 1);
    let enabled = request(&fleet, Method::PATCH, &path, &json!({ "enabled": true })).await.ok();
    assert!(enabled.get("disabled").is_none(), "{enabled}");
    let replayed = fleet.post(&format!("{path}/replay"), &json!({})).await.ok();
    assert_eq!(replayed, json!({ "replayed": 1 }));
    receiver.next().await;
}

#[tokio::test]
async fn a_webhook_is_tried_out_and_its_secret_rotates() {
    let mut fleet = telling().await;
    let mut receiver = Receiver::start(&mut fleet).await;
    let (id, first) = add(&fleet, &receiver.url, &["job.dead"]).await;
    let path = format!("/v1/webhooks/{id}");
    let test = fleet.post(&format!("{path}/test"), &json!({})).await.ok();
    let heard = receiver.next().await;
    assert_eq!(heard.header("webhook-id"), test["delivery"].as_str().unwrap());
    let message = heard.json();
    assert_eq!(message["type"], "webhook.test");
    assert_eq!(message["data"], json!({ "webhook": id }));

    let rotated = fleet.post(&format!("{path}/rotate"), &json!({})).await.ok();
    let second = rotated["secret"].as_str().unwrap();
    assert!(rotated["old_secret_until"].is_string(), "{rotated}");
    fleet.post(&format!("{path}/test"), &json!({})).await.ok();
    let heard = receiver.next().await;
    assert_eq!((heard.signed_with(&first), heard.signed_with(second)), (1, 1));
    // Only the last two are good.
    let third = fleet.post(&format!("{path}/rotate"), &json!({})).await.ok();
    let third = third["secret"].as_str().unwrap();
    fleet.post(&format!("{path}/test"), &json!({})).await.ok();
    let heard = receiver.next().await;
    let signed = [&first, second, third].map(|secret| heard.signed_with(secret));
    assert_eq!(signed, [0, 1, 1]);
    // No answer shows a secret again.
    for path in [path.as_str(), "/v1/webhooks"] {
        let shown = fleet.get(path).await.text();
        assert!(!shown.contains("secret\"") && !shown.contains("whsec"), "{shown}");
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_on_for_now() {
    let mut fleet = telling().await;
    // It accepts connections, and nobody reads them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let mut receiver = Receiver::start(&mut fleet).await;
    let (hung, _) = add(&fleet, &url, &[]).await;
    add(&fleet, &receiver.url, &[]).await;
    cancelled(&fleet).await;
    // The other is told meanwhile.
    receiver.next().await;
    let failed = delivery_when(&fleet, hung, |delivery| delivery.tries == 1).await;
    let last = failed.last.unwrap();
    assert_eq!((failed.state, last.status), (DeliveryState::Pending, None));
    assert!(last.error.is_some() && last.took_ms >= 2000, "{last:?}");
}

#[tokio::test]
async fn addresses_inside_are_refused() {
    let fleet = Fleet::start().await;
    for (url, said) in [
        ("http://example.com/hook", "is no https"),
        ("https://127.0.0.1/hook", "private or special"),
        ("https://[::ffff:169.254.169.254]/", "private or special"),
        ("https://example.com:22/", "another port"),
        ("https://me:hunter2@example.com/", "check the signature"),
        ("example.com", "cannot be read"),
    ] {
        let refused = fleet.post("/v1/webhooks", &json!({ "url": url })).await;
        let detail = refused.problem(422, "bad_webhook");
        assert!(detail.contains(said) && !detail.contains("hunter2"), "{url}: {detail}");
    }
    let long = format!("https://example.com/{}", "a".repeat(2048));
    let refused = fleet.post("/v1/webhooks", &json!({ "url": long })).await;
    assert!(refused.problem(422, "bad_webhook").contains("2048 bytes"));
    let asked = json!({ "url": "https://example.com/", "events": ["webhook.test"] });
    fleet.post("/v1/webhooks", &asked).await.problem(422, "bad_webhook");
    let asked = json!({ "url": "https://example.com/", "events": ["job.lost"] });
    fleet.post("/v1/webhooks", &asked).await.problem(422, "does_not_fit");
    let (id, _) = add(&fleet, "https://example.com/", &[]).await;
    let change = json!({ "url": "http://10.0.0.1/" });
    let refused = request(&fleet, Method::PATCH, &format!("/v1/webhooks/{id}"), &change).await;
    refused.problem(422, "bad_webhook");
    for _ in 1..32 {
        add(&fleet, "https://example.com/", &[]).await;
    }
    let asked = json!({ "url": "https://example.com/" });
    fleet.post("/v1/webhooks", &asked).await.problem(409, "too_many_webhooks");
    let removed = Answer::of(
        fleet.request(Method::DELETE, &format!("/v1/webhooks/{id}")).send().await.unwrap(),
    );
    removed.await.ok();
    fleet.get(&format!("/v1/webhooks/{id}")).await.problem(404, "webhook_not_found");
    add(&fleet, "https://example.com/", &[]).await;
}

#[tokio::test]
async fn webhooks_are_a_tenants_own() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let (_, other) = fleet.new_key(Some("other"), &["jobs:write"]).await;
    let (_, reader) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let asked = json!({ "url": "https://example.com/" });
    let made = fleet.post_by(&acme, "/v1/webhooks", &asked).await.ok();
    assert_eq!(made["tenant"], "acme");
    let path = format!("/v1/webhooks/{}", made["id"].as_str().unwrap());
    for foreign in [path.clone(), format!("{path}/deliveries")] {
        fleet.get_by(&other, &foreign).await.problem(404, "webhook_not_found");
        fleet.get_by(&reader, &foreign).await.ok();
    }
    for change in ["rotate", "test", "replay"] {
        let foreign = format!("{path}/{change}");
        fleet.post_by(&other, &foreign, &json!({})).await.problem(404, "webhook_not_found");
        fleet.post_by(&reader, &foreign, &json!({})).await.problem(403, "missing_scope");
    }
    let listed = fleet.get_by(&other, "/v1/webhooks").await.ok();
    assert_eq!(listed, json!({ "webhooks": [] }));
    let listed = fleet.get_by(&acme, "/v1/webhooks").await.ok();
    assert_eq!(listed["webhooks"].as_array().unwrap().len(), 1);
    // A job of the one is not the other's news.
    let job = fleet
        .post_by(
            &other,
            "/v1/jobs",
            &json!({ "source": "https://example.com/a.jpg",
        "outputs": { "p": { "op": "media.probe" } } }),
        )
        .await
        .ok();
    let job = format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap());
    fleet.post_by(&other, &job, &json!({})).await.ok();
    let listed = fleet.get_by(&acme, &format!("{path}/deliveries")).await.ok();
    assert_eq!(listed, json!({ "deliveries": [], "next": null }));
}
