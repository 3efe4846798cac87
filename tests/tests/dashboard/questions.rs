//! Answers to what people ask about retries.

use std::collections::BTreeMap;

use panofleet_tests::api::Api;

use crate::browser::Browser;
use crate::numbers::of;
use crate::site::{OPERATOR, SUPPORT, Site};
use crate::sql::{Sql, agree};

const NOW: &str = "extract(epoch FROM now()) * 1000";
const DAY_MS: u64 = 24 * 3_600_000;
/// Attempts that failed, and those that were lost with their worker.
const FAILED: &str = "'attempt_failed', 'attempt_timed_out'";
const LOST: &str = "'lease_lapsed', 'abandoned'";

pub(crate) async fn are_answered_by_the_rows(site: &Site, browser: &mut Browser) {
    for (who, api) in [(SUPPORT, &site.acme), (OPERATOR, &site.operator)] {
        about_jobs(&site.sql, browser, who);
        forecast(&site.sql, browser, who);
        about_attempts(&site.sql, browser, (who, api)).await;
    }
}

/// Each lists the jobs that it is about, with how many there are in each state.
fn about_jobs(sql: &Sql, browser: &mut Browser, who: &str) {
    let whose = of(who);
    let open = "state IN ('waiting', 'queued', 'sent', 'running', 'blocked')";
    let near = format!("deadline_at < {NOW} + {DAY_MS} AND {open}");
    // What said nothing at all is stuck since it was claimed.
    let claimed = "SELECT max(extract(epoch FROM (line.doc::json->>'at')::timestamptz)) * 1000 FROM history AS line \
         WHERE line.job = jobs.id AND line.doc::json->>'reason' = 'claimed'";
    let said = "SELECT changed_at FROM progress WHERE progress.job = jobs.id";
    let stuck = format!("state = 'running' AND coalesce(({said}), ({claimed})) < {NOW} - 2000");
    let due = format!("state = 'waiting' AND failure IS NOT NULL AND timer_at < {NOW} + {DAY_MS}");
    let oldest = "state = 'queued' AND NOT EXISTS (SELECT 1 FROM jobs AS older WHERE older.state = 'queued' \
         AND older.tenant = jobs.tenant AND older.id < jobs.id)";
    for (question, rows) in [
        ("stuck?within=2s", stuck.as_str()),
        ("retries-due?within=24h", &due),
        ("deadline-at-risk?within=24h", &near),
        ("oldest-queued", oldest),
    ] {
        let shown = || {
            let page = browser.read(who, &format!("/questions/{question}"));
            let rows = page.tables.iter().flat_map(|table| &table.rows);
            let mut ids: Vec<String> =
                rows.map(|row| row.links[0].trim_start_matches("/view/").to_owned()).collect();
            ids.sort_unstable();
            ids
        };
        let expected = || sql.names(&format!("SELECT id FROM jobs WHERE {rows}{whose}"));
        assert!(!expected().is_empty(), "{question}: there is something to answer");
        agree(&format!("{question}, as {who} asks"), shown, expected);
    }
}

/// A retry that is due within the hour counts in the first of twelve times of two hours.
fn forecast(sql: &Sql, browser: &mut Browser, who: &str) {
    let whose = of(who);
    let due = format!(
        "SELECT count(*) FROM jobs WHERE state = 'waiting' AND failure IS NOT NULL AND timer_at < {NOW} + 7200000{whose}"
    );
    let shown = || {
        let page = browser.read(who, "/questions/retry-forecast?within=24h");
        page.column("Jobs").iter().map(|jobs| jobs.parse().unwrap()).collect::<Vec<u64>>()
    };
    let expected = || {
        let mut times = vec![0; 12];
        times[0] = sql.number(&due);
        times
    };
    assert!(expected()[0] > 0, "there is something to come");
    agree(&format!("the forecast, as {who} asks"), shown, expected);
}

/// Attempts by what they have in common: how many, of how many jobs, and for how long they were held.
async fn about_attempts(sql: &Sql, browser: &mut Browser, (who, api): (&str, &Api)) {
    let whose = of(who);
    for (question, key, reasons) in [
        ("lost-leases", "coalesce(worker, '')", Some(LOST)),
        ("time-lost", "coalesce(code, reason)", None),
        ("failed-by-worker", "coalesce(worker, '')", Some(FAILED)),
        ("failed-by-region", "region", Some(FAILED)),
        ("failed-by-version", "coalesce(version, '')", Some(FAILED)),
        ("failed-by-attempt", "attempt::text", Some(FAILED)),
        ("failed-since-deploy", "failure", Some(FAILED)),
    ] {
        let which = reasons.map_or("TRUE".to_owned(), |reasons| format!("reason IN ({reasons})"));
        let rows = || {
            let query = format!(
                "SELECT {key}, count(*), count(DISTINCT job), sum(held_ms) FROM setbacks WHERE {which}{whose} GROUP BY 1"
            );
            let rows = sql.rows(&query).into_iter();
            let number = |text: &String| text.parse::<u64>().unwrap();
            rows.map(|row| (row[0].clone(), [number(&row[1]), number(&row[2]), number(&row[3])]))
                .collect::<BTreeMap<_, _>>()
        };
        let answer = api.get(&format!("/v1/questions/{question}")).await.unwrap();
        let told: BTreeMap<_, _> = (answer["groups"].as_array().unwrap().iter())
            .map(|group| {
                let numbers =
                    ["attempts", "jobs", "lost_ms"].map(|name| group[name].as_u64().unwrap());
                (group["key"].as_str().unwrap().to_owned(), numbers)
            })
            .collect();
        assert_eq!(told, rows(), "{question}, as {who} asks the API");
        assert!(!told.is_empty(), "{question}: there is something to answer");
        let shown = || {
            let page = browser.read(who, &format!("/questions/{question}"));
            let (attempts, jobs) = (page.column("Attempts"), page.column("Jobs"));
            let keys = page.tables[0].rows.iter().map(|row| row.cells[0].clone());
            let numbers = attempts.iter().zip(&jobs);
            let numbers =
                numbers.map(|(attempts, jobs)| [attempts, jobs].map(|n| n.parse().unwrap()));
            // In the first cell a code may follow the key.
            let mut rows: Vec<(bool, [u64; 2])> = keys
                .zip(numbers)
                .map(|(cell, numbers)| {
                    (told.keys().any(|key| cell.starts_with(key.as_str())), numbers)
                })
                .collect();
            rows.sort_unstable();
            rows
        };
        let expected = || {
            let numbers = rows().into_values().map(|[attempts, jobs, _]| (true, [attempts, jobs]));
            let mut numbers: Vec<_> = numbers.collect();
            numbers.sort_unstable();
            numbers
        };
        agree(&format!("{question}, as {who} asks"), shown, expected);
    }
}
