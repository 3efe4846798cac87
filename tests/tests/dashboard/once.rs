//! `panofleet top --once`, as text and as data.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::queues::{QUEUES, queue, told};
use crate::site::{ACME, Site};
use crate::sql::{Sql, agree};

pub(crate) fn says_what_the_rows_say(site: &Site) {
    for (arguments, whose) in [
        (vec!["top", "--once", "--json"], String::new()),
        (vec!["--tenant", ACME, "top", "--once", "--json"], format!(" AND tenant = '{ACME}'")),
    ] {
        let shown = || serde_json::from_str(&site.panofleet(&arguments)).unwrap();
        data(&site.sql, &whose, shown);
    }
    text(site);
}

fn ids(rows: &Value) -> Vec<String> {
    let rows = rows.as_array().unwrap().iter();
    let mut ids: Vec<_> = rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    ids
}

/// Numbers by name, as JSON has them.
fn counts(object: &Value) -> BTreeMap<String, u64> {
    let pairs = object.as_object().unwrap().iter();
    pairs.map(|(name, number)| (name.clone(), number.as_u64().unwrap())).collect()
}

fn data(sql: &Sql, whose: &str, shown: impl Fn() -> Value) {
    let by_state =
        format!("SELECT state, count(*) FROM jobs WHERE parent IS NULL{whose} GROUP BY 1");
    let states = || {
        let mut states = counts(&shown()["states"]);
        states.retain(|_, count| *count > 0);
        states
    };
    agree("states of top", states, || sql.counts(&by_state));
    let running = format!("SELECT id FROM jobs WHERE state = 'running'{whose}");
    agree("what runs, in top", || ids(&shown()["running"]), || sql.names(&running));
    let due = format!(
        "SELECT id FROM jobs WHERE state = 'waiting' AND failure IS NOT NULL \
         AND timer_at < extract(epoch FROM now()) * 1000 + 3600000{whose}"
    );
    agree("retries of top", || ids(&shown()["retries"]), || sql.names(&due));
    let forecast = || {
        let shown = shown();
        shown["forecast"]
            .as_array()
            .unwrap()
            .iter()
            .map(|time| time["jobs"].as_u64().unwrap())
            .sum()
    };
    agree("retries that top foretells", forecast, || sql.names(&due).len() as u64);
    let alike =
        format!("SELECT failure, count(*) FROM jobs WHERE failure IS NOT NULL{whose} GROUP BY 1");
    let failures = || {
        let shown = shown();
        let groups = shown["failures"].as_array().unwrap().iter();
        let pair = |group: &Value| {
            (group["fingerprint"].as_str().unwrap().to_owned(), group["jobs"].as_u64().unwrap())
        };
        groups.map(pair).collect::<BTreeMap<_, _>>()
    };
    agree("failures of top", failures, || sql.counts(&alike));
    let queues = || shown()["queues"].as_array().unwrap().iter().map(told).collect::<Vec<_>>();
    agree("queues of top", queues, || QUEUES.map(|name| queue(sql, name)).to_vec());
    let held = "SELECT worker, json_array_length(claims::json) FROM workers";
    let workers = || {
        let shown = shown();
        let workers = shown["workers"].as_array().unwrap().iter();
        let pair = |worker: &Value| {
            let held = worker["claims"].as_array().unwrap().len() as u64;
            (worker["worker"].as_str().unwrap().to_owned(), held)
        };
        workers.map(pair).collect::<BTreeMap<_, _>>()
    };
    agree("workers of top", workers, || sql.counts(held));
}

/// The text has the numbers of the data.
fn text(site: &Site) {
    let dead = "SELECT count(*) FROM jobs WHERE state = 'dead'";
    let words = || {
        let text = site.panofleet(&["top", "--once"]);
        let dead = format!("{} dead", site.sql.number(dead));
        let lines =
            ["silent", "paused", "Running\n", "Retries\n", "Failures\n", "Workers\n", &dead];
        lines.map(|words| (words.to_owned(), text.contains(words)))
    };
    agree("what top says once", || words().map(|(_, is_there)| is_there), || [true; 7]);
}
