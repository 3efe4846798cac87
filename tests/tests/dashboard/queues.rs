//! Queues and workers: the page of the fleet and `/v1/scale`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::browser::{Browser, Shown};
use crate::site::{OPERATOR, Site};
use crate::sql::{Sql, agree};

/// Every queue that there is: the regions' lanes.
pub(crate) const QUEUES: [(&str, &str); 4] =
    [("hangzhou", "image"), ("hangzhou", "video"), ("lanzhou", "image"), ("lanzhou", "video")];
/// Columns of a queue, as pages and API call them.
const COLUMNS: [(&str, &str); 6] = [
    ("Queued", "queued"),
    ("Sent", "sent"),
    ("Running", "running"),
    ("Slots busy", "slots_busy"),
    ("Workers", "workers"),
    ("Wanted", "desired"),
];
/// Whoever was heard of within the lease of this fleet.
pub(crate) const LIVES: &str = "beat_at > extract(epoch FROM now()) * 1000 - 6000";

/// What a queue has to do and whom it has, by the rows. The rule of how many workers it should have stands in docs/fleet.md;
/// here it is worked out anew, for jobs that are sent and not older than the minute of the target.
pub(crate) fn queue(sql: &Sql, (region, lane): (&str, &str)) -> BTreeMap<String, u64> {
    let jobs = |state: &str| {
        sql.number(&format!(
            "SELECT count(*) FROM jobs WHERE region = '{region}' AND lane = '{lane}' AND state = '{state}'"
        ))
    };
    let slots = format!("(doc::json->'lane_slots'->>'{lane}')::int");
    let claims = format!("least(json_array_length(claims::json), {slots})");
    let of_workers = |what: &str| {
        sql.number(&format!(
            "SELECT {what} FROM workers WHERE {LIVES} AND doc::json->>'region' = '{region}' \
             AND doc::json->>'draining' = 'false' \
             AND NOT EXISTS (SELECT 1 FROM worker_orders AS told WHERE told.worker = workers.worker AND told.draining)"
        ))
    };
    let (sent, running) = (jobs("sent"), jobs("running"));
    let paused = sql.number(&format!(
        "SELECT count(*) FROM pauses WHERE kind = 'lane' AND name = '{region}.{lane}'"
    ));
    let queued = jobs("queued");
    assert!(sent <= 1 && (paused > 0 || queued == 0), "the rule is for what this test has");
    let workers = of_workers("count(*)");
    let busy = of_workers(&format!("count(*) FILTER (WHERE {claims} > 0)"));
    let each = of_workers(&format!("coalesce(min({slots}), 1)"));
    // All workers of this fleet take both lanes: one that has nothing of this lane to run is not busy in it.
    let desired = (running + sent).div_ceil(each).max(busy.min(running + sent));
    let numbers = [
        ("queued", queued),
        ("sent", sent),
        ("running", running),
        ("slots", of_workers(&format!("coalesce(sum({slots}), 0)"))),
        ("slots_busy", running),
        ("workers", workers),
        ("desired", desired),
        ("paused", paused),
    ];
    numbers.map(|(name, number)| (name.to_owned(), number)).into()
}

/// The same numbers of a queue as the API and `panofleet top` give it.
pub(crate) fn told(queue: &Value) -> BTreeMap<String, u64> {
    let names = ["queued", "sent", "running", "slots", "slots_busy", "workers", "desired"];
    let number = |name: &str| queue[name].as_u64().unwrap_or_else(|| panic!("{name}: {queue}"));
    let mut told: BTreeMap<String, u64> =
        names.iter().map(|name| ((*name).to_owned(), number(name))).collect();
    told.insert("paused".to_owned(), u64::from(queue["paused"] == true));
    told
}

pub(crate) async fn are_those_of_the_rows(site: &Site, browser: &mut Browser) {
    for (place, (region, lane)) in QUEUES.into_iter().enumerate() {
        let shown = || {
            let page = browser.read(OPERATOR, "/fleet");
            assert_eq!((page.column("Region")[place], page.column("Lane")[place]), (region, lane));
            shown_queue(&page, place)
        };
        agree(&format!("{region}.{lane}"), shown, || queue(&site.sql, (region, lane)));
        let one = site.operator.get(&format!("/v1/scale/{region}/{lane}")).await.unwrap();
        assert_eq!(told(&one), queue(&site.sql, (region, lane)));
    }
    let all = site.operator.get("/v1/scale").await.unwrap();
    let all: Vec<_> = all["queues"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(all, QUEUES.map(|name| queue(&site.sql, name)));
    workers(&site.sql, browser);
}

/// What comes and goes, of the moment that the answer itself names; and whose jobs wait.
pub(crate) async fn overviews_are_those_of_the_rows(site: &Site, browser: &mut Browser) {
    let view = site.operator.get("/v1/overview").await.unwrap();
    let at = format!("'{}'::timestamptz", view["at"].as_str().unwrap());
    let lately = |time: &str| format!("{time} >= {at} - interval '5 min' AND {time} <= {at}");
    // A version 7 UUID begins with the milliseconds of its making.
    let made =
        "to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)";
    let ended = "(doc::json->>'finished_at')::timestamptz";
    let queues = view["queues"].as_array().unwrap();
    assert_eq!(queues.len(), QUEUES.len());
    for (told, (region, lane)) in queues.iter().zip(QUEUES) {
        let ours = format!("region = '{region}' AND lane = '{lane}'");
        let count = |what: &str| {
            site.sql.number(&format!("SELECT count(*) FROM jobs WHERE {ours} AND {what}"))
        };
        let of = |states: &str| count(&format!("state IN ({states}) AND {}", lately(ended)));
        for (name, expected) in [
            ("accepted", count(&lately(made))),
            ("succeeded", of("'succeeded'")),
            ("failed", of("'dead', 'expired'")),
            ("cancelled", of("'cancelled'")),
            ("queued", count("state = 'queued'")),
        ] {
            assert_eq!(told[name], expected, "{region}.{lane} {name}: {view}");
        }
    }
    let hour = made.to_owned() + " >= " + &at + " - interval '1 h'";
    let came = site.sql.number(&format!("SELECT count(*) FROM jobs WHERE {hour}"));
    let course = view["course"]["accepted"].as_array().unwrap();
    assert_eq!(course.iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), came);
    let query = "SELECT tenant, count(*) FILTER (WHERE state = 'queued'), \
         count(*) FILTER (WHERE state IN ('sent', 'running')) FROM jobs GROUP BY tenant \
         HAVING count(*) FILTER (WHERE state IN ('queued', 'sent', 'running')) > 0 ORDER BY 2 DESC, 3 DESC, 1";
    let shown = || {
        let page = browser.read(OPERATOR, "/overview");
        let rows = page.tables.last().unwrap().rows.iter();
        let cells = |row: &Vec<String>| [&row[0], &row[1], &row[3]].map(String::clone).to_vec();
        rows.map(|row| cells(&row.cells)).collect::<Vec<_>>()
    };
    agree("tenants", shown, || site.sql.rows(query));
}

fn shown_queue(page: &Shown, place: usize) -> BTreeMap<String, u64> {
    let mut numbers = BTreeMap::new();
    for (head, name) in COLUMNS {
        let cell = page.column(head)[place];
        let (number, slots) = cell.split_once(" of ").unwrap_or((cell, ""));
        numbers.insert(name.to_owned(), number.parse().unwrap());
        if name == "slots_busy" {
            numbers.insert("slots".to_owned(), slots.parse().unwrap());
        }
    }
    let last = page.tables[0].rows[place].cells.last().unwrap();
    numbers.insert("paused".to_owned(), u64::from(last == "paused"));
    numbers
}

/// Each worker: where it is, whether it is there, what it holds.
fn workers(sql: &Sql, browser: &mut Browser) {
    let query = format!(
        "SELECT worker, doc::json->>'region', CASE WHEN {LIVES} THEN 'takes jobs' ELSE 'silent' END, \
         json_array_length(claims::json) || ' of ' || (doc::json->>'slots') FROM workers ORDER BY worker"
    );
    let shown = || {
        let page = browser.read(OPERATOR, "/fleet");
        let rows = page.tables[1].rows.iter();
        rows.map(|row| row.cells[..4].to_vec()).collect::<Vec<_>>()
    };
    agree("workers", shown, || sql.rows(&query));
    let silent: Vec<_> = sql.rows(&query).into_iter().filter(|row| row[2] == "silent").collect();
    assert!(silent.len() == 1 && silent[0][0] == "worker-2", "{silent:?}");
}
