//! What happened in the fleet before anybody looks: results, failures of every kind made on purpose, and things that wait.

use std::time::Duration;

use bytes::Bytes;
use panofleet_bus::Bus as _;
use panofleet_bus::kafka::KafkaBus;
use panofleet_job_schema::JobId;
use panofleet_producer::api::JobView;
use panofleet_producer::api::view::StateView;
use panofleet_service::clock::wall_clock;
use panofleet_tests::api::Api;
use panofleet_tests::fleet::{Fleet, SECOND_REGION};
use panofleet_tests::{eventually, processes};
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::site::{PATIENCE, Site, fixture};

/// What nobody can read of the event log.
const LETTERS: [&str; 2] = ["this is no event", "neither is this"];
/// Longer than the test.
const LONG_MS: u32 = 600_000;

/// What there is now.
pub(crate) struct Seed {
    /// A panorama with a pyramid, a small film and a picture.
    pub(crate) good: JobId,
    /// Files that are none, all alike.
    pub(crate) garbage: [JobId; 3],
    /// A file that ends too early.
    pub(crate) truncated: JobId,
    /// Its runner was killed; it is tried again within the hour.
    pub(crate) crashed: JobId,
    /// Its runner stands still.
    pub(crate) stuck: JobId,
    /// They run for long, or wait for a slot: of a region that has lost one of its two workers.
    pub(crate) long: [JobId; 3],
    /// They are to begin in an hour.
    pub(crate) later: [JobId; 2],
    /// They wait in a lane that is paused.
    pub(crate) queued: [JobId; 3],
    /// What is told of every end.
    pub(crate) webhook: String,
    /// One of its deliveries was given up.
    pub(crate) delivery: String,
    pub(crate) receiver: Receiver,
    pub(crate) letters: usize,
}

/// Makes all of it happen, one after the other, so that each failure is the one that was meant.
pub(crate) async fn seed(site: &mut Site) -> Seed {
    let (receiver, webhook) = webhook(site).await;
    let good = good(site).await;
    let (garbage, truncated) = rejected(site).await;
    let crashed = crashed(site).await;
    let stuck = stuck(site).await;
    let long = lose_a_worker(site).await;
    let later = later(&site.acme).await;
    schedules(&site.acme).await;
    let queued = queued(site).await;
    dead_letters(site).await;
    let delivery = give_a_delivery_up(site, &webhook).await;
    let letters = LETTERS.len();
    Seed {
        good,
        garbage,
        truncated,
        crashed,
        stuck,
        long,
        later,
        queued,
        webhook,
        delivery,
        receiver,
        letters,
    }
}

async fn webhook(site: &Site) -> (Receiver, String) {
    let receiver = Receiver::start(500);
    let made = site.acme.post("/v1/webhooks", &json!({ "url": receiver.url })).await.unwrap();
    (receiver, made["id"].as_str().unwrap().to_owned())
}

async fn ended(api: &Api, id: JobId) -> JobView {
    eventually(&format!("job {id} ends"), PATIENCE, async || {
        api.job(id).await.ok().filter(JobView::is_terminal)
    })
    .await
}

fn nothing(run_ms: u32) -> Value {
    json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop", "run_ms": run_ms } } })
}

/// The outputs that people look at, one after the other in the page.
fn panorama(source: &str) -> Value {
    json!({
        "source": source,
        "region": SECOND_REGION,
        "outputs": {
            "tiles": { "op": "pano.tiles" },
            "turn": { "op": "pano.spin", "width_px": 160, "height_px": 90, "duration_s": 1.0, "frame_rate": 8 },
            "preview": { "op": "image.thumbnail", "width_px": 256 },
        },
        "labels": { "album": "reef", "file": "reef.jpg" },
    })
}

async fn good(site: &Site) -> JobId {
    let source = site.acme.upload(fixture("equirect.jpg")).await.unwrap();
    let good = site.acme.submit(&panorama(&source)).await.unwrap().id;
    let done = ended(&site.acme, good).await;
    assert!(matches!(done.state, StateView::Succeeded { .. }), "{done:?}");
    let other = site.zebra.submit(&nothing(0)).await.unwrap().id;
    ended(&site.zebra, other).await;
    good
}

async fn picture_of(api: &Api, file: &str, labels: Value) -> JobId {
    let source = api.upload(fixture(file)).await.unwrap();
    let outputs = json!({ "small": { "op": "image.thumbnail" } });
    let spec =
        json!({ "source": source, "region": SECOND_REGION, "outputs": outputs, "labels": labels });
    let id = api.submit(&spec).await.unwrap().id;
    let dead = ended(api, id).await;
    assert!(matches!(dead.state, StateView::Dead { .. }), "{dead:?}");
    id
}

async fn rejected(site: &Site) -> ([JobId; 3], JobId) {
    let mut garbage = Vec::new();
    for n in 0..3 {
        let labels = json!({ "file": format!("scan-{n}.jpg") });
        garbage.push(picture_of(&site.acme, "broken/garbage.jpg", labels).await);
    }
    let labels = json!({ "file": "cut.jpg" });
    let truncated = picture_of(&site.acme, "broken/truncated.jpg", labels).await;
    picture_of(&site.zebra, "broken/garbage.jpg", json!({})).await;
    (garbage.try_into().unwrap(), truncated)
}

/// Waits until a runner is at work, and stops its clock.
async fn freeze_a_runner(fleet: &Fleet) -> u32 {
    let runner =
        eventually("a runner is at work", PATIENCE, async || fleet.runners().first().copied());
    let runner = runner.await;
    processes::signal(runner, "STOP");
    runner
}

/// Kills the runner of a job, until a retry is neither so near that it comes while somebody looks, nor far.
async fn crashed(site: &Site) -> JobId {
    let source = site.acme.upload(fixture("equirect.jpg")).await.unwrap();
    loop {
        let id = site.acme.submit(&panorama(&source)).await.unwrap().id;
        processes::signal(freeze_a_runner(&site.fleet).await, "KILL");
        let due_at = eventually("it waits for a retry", PATIENCE, async || {
            let job = site.acme.job(id).await.ok()?;
            match job.state {
                StateView::Waiting { due_at } => Some(Some(due_at)),
                _ => job.is_terminal().then_some(None),
            }
        });
        let wait = due_at.await.map(|due_at| due_at.since(wall_clock()));
        if wait.is_some_and(|wait| (300..3300).contains(&wait.as_secs())) {
            return id;
        }
        if wait.is_some() {
            site.acme.cancel(id).await.unwrap();
            ended(&site.acme, id).await;
        }
    }
}

async fn stuck(site: &Site) -> JobId {
    let source = site.acme.upload(fixture("equirect.jpg")).await.unwrap();
    let id = site.acme.submit(&panorama(&source)).await.unwrap().id;
    freeze_a_runner(&site.fleet).await;
    let running = format!("SELECT count(*) FROM jobs WHERE id = '{id}' AND state = 'running'");
    until(site, &running, 1).await;
    id
}

/// Waits until a count of rows is so much.
pub(crate) async fn until(site: &Site, query: &str, count: u64) {
    eventually(query, PATIENCE, async || (site.sql.number(query) == count).then_some(())).await;
}

/// Three jobs run on two workers with two slots each. One of these dies as by a power cut, and what it held goes to the other.
async fn lose_a_worker(site: &mut Site) -> [JobId; 3] {
    let mut long = Vec::new();
    for api in [&site.acme, &site.acme, &site.zebra] {
        long.push(api.submit(&nothing(LONG_MS)).await.unwrap().id);
    }
    const HELD: &str = "SELECT coalesce(sum(json_array_length(claims::json)), 0) FROM workers \
        WHERE worker IN ('worker-1', 'worker-2')";
    until(site, HELD, 3).await;
    const LOST: &str = "SELECT coalesce(sum(json_array_length(claims::json)), 0) FROM workers \
        WHERE worker = 'worker-2'";
    let lost = site.sql.number(LOST);
    site.fleet.kill_one("worker-2");
    until(site, "SELECT count(*) FROM setbacks WHERE reason = 'lease_lapsed'", lost).await;
    const STANDS: &str = "SELECT count(*) FILTER (WHERE state = 'running') * 10 \
        + count(*) FILTER (WHERE state = 'sent') FROM jobs WHERE region = 'hangzhou' AND parent IS NULL";
    until(site, STANDS, 21).await;
    long.try_into().unwrap()
}

async fn later(acme: &Api) -> [JobId; 2] {
    let in_an_hour = (wall_clock() + Duration::from_secs(3600)).to_string();
    let mut later = Vec::new();
    for _ in 0..2 {
        let mut spec = nothing(0);
        spec["start_at"] = json!(in_an_hour);
        spec["labels"] = json!({ "when": "later" });
        later.push(acme.submit(&spec).await.unwrap().id);
    }
    later.try_into().unwrap()
}

async fn schedules(acme: &Api) {
    for (name, cron) in [("nightly", "0 3 * * *"), ("weekly", "0 4 * * 1")] {
        let asked = json!({ "cron": cron, "time_zone": "Asia/Shanghai", "job": nothing(0) });
        acme.put(&format!("/v1/schedules/{name}"), &asked).await.unwrap();
    }
}

/// Jobs of both tenants behind a pause.
async fn queued(site: &Site) -> [JobId; 3] {
    let why = json!({ "reason": "a new disk" });
    site.operator.put("/v1/pauses/lane/hangzhou.image", &why).await.unwrap();
    let mut queued = Vec::new();
    for n in 0..3 {
        let mut spec = nothing(0);
        spec["labels"] = json!({ "album": "queued", "n": n.to_string() });
        queued.push(site.acme.submit(&spec).await.unwrap().id);
    }
    site.zebra.submit(&nothing(0)).await.unwrap();
    until(site, "SELECT count(*) FROM jobs WHERE state = 'queued'", 4).await;
    queued.try_into().unwrap()
}

async fn dead_letters(site: &Site) {
    let bus = KafkaBus::connect(site.fleet.kafka.as_ref().unwrap()).await.unwrap();
    let records = (0..).zip(LETTERS).map(|(partition, text)| (partition, Bytes::from(text)));
    bus.publish_events(records.collect()).await.unwrap();
    eventually("the collector sets them aside", PATIENCE, async || {
        let list = site.operator.get("/v1/dead-letters").await.ok()?;
        (list["letters"].as_array()?.len() == LETTERS.len()).then_some(())
    })
    .await;
}

/// The receiver refuses everything. What takes a day is made short by the rows, and the last try is a real one.
async fn give_a_delivery_up(site: &Site, webhook: &str) -> String {
    let of_dead = format!(
        "SELECT id FROM deliveries WHERE webhook = '{webhook}' AND event = 'job.dead' ORDER BY seq LIMIT 1"
    );
    let delivery = eventually("one was tried", PATIENCE, async || {
        let tried = format!("SELECT count(*) FROM deliveries WHERE id = ({of_dead}) AND tries > 0");
        (site.sql.number(&tried) == 1).then(|| site.sql.ask(&of_dead))
    })
    .await;
    let over = format!(
        "SELECT count(*) FROM deliveries WHERE id = '{delivery}' AND due_at IS NULL AND NOT delivered"
    );
    let old = format!(
        "UPDATE deliveries SET tries = 10, due_at = 0 WHERE id = '{delivery}' AND tries < 10"
    );
    eventually("it is given up", PATIENCE, async || {
        // A try that was under way notes a count of its own.
        site.sql.ask(&old);
        (site.sql.number(&over) == 1).then_some(())
    })
    .await;
    delivery
}
