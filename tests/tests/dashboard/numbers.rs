//! What the pages of jobs count is what the rows say.

use std::collections::BTreeMap;

use crate::browser::{Browser, Shown};
use crate::queues::LIVES;
use crate::seed::Seed;
use crate::site::{ACME, OPERATOR, SUPPORT, Site};
use crate::sql::{Sql, agree};

/// What is one tenant's, for whoever looks at one.
pub(crate) fn of(who: &str) -> String {
    if who == OPERATOR { String::new() } else { format!(" AND tenant = '{ACME}'") }
}

/// `3 dead` → dead: 3.
fn counted(texts: &[String]) -> BTreeMap<String, u64> {
    let pair = |text: &String| {
        let (number, name) = text.split_once(' ').unwrap_or_else(|| panic!("no count: {text}"));
        (name.to_owned(), number.parse().unwrap_or_else(|why| panic!("{text}: {why}")))
    };
    texts.iter().map(pair).collect()
}

/// The number that a note begins with: `3 jobs failed …` → 3; 0 if there is none like it.
fn noted(shown: &Shown, words: &str) -> u64 {
    let note = shown.notes.iter().find(|note| note.contains(words));
    let number = |note: &String| {
        note.split(' ').find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{note}"))
    };
    note.map_or(0, number)
}

pub(crate) fn are_those_of_the_rows(site: &Site, seed: &Seed, browser: &mut Browser) {
    for who in [SUPPORT, OPERATOR] {
        jobs_by_state(&site.sql, browser, who);
        alarms(&site.sql, browser, who);
        lists(&site.sql, browser, who);
        failures(&site.sql, browser, who);
    }
    one_job(site, seed, browser);
    progress(site, seed, browser);
    beside_jobs(site, seed, browser);
}

fn jobs_by_state(sql: &Sql, browser: &mut Browser, who: &str) {
    let whose = of(who);
    let query =
        format!("SELECT state, count(*) FROM jobs WHERE parent IS NULL{whose} GROUP BY state");
    assert!(sql.counts(&query).len() >= 5, "there is something to count");
    let shown = || counted(&browser.read(who, "/").counts);
    agree(&format!("jobs by state, as {who} sees them"), shown, || sql.counts(&query));
}

fn alarms(sql: &Sql, browser: &mut Browser, who: &str) {
    let whose = of(who);
    let failed = |states: &str| {
        let hour = "failed_at > extract(epoch FROM now()) * 1000 - 3600000";
        sql.number(&format!(
            "SELECT count(*) FROM jobs WHERE state IN ({states}) AND {hour}{whose}"
        ))
    };
    let expected = || {
        let silent = format!("SELECT count(*) FROM workers WHERE NOT ({LIVES})");
        let is_operator = u64::from(who == OPERATOR);
        [
            failed("'dead', 'expired'"),
            failed("'waiting'"),
            sql.number(&silent) * is_operator,
            sql.number("SELECT count(*) FROM pauses") * is_operator,
        ]
    };
    let shown = || {
        let page = browser.read(who, "/");
        let words = ["failed for good", "wait to be tried again", "fell silent", "held back by"];
        words.map(|words| noted(&page, words))
    };
    agree(&format!("what is on fire, as {who} sees it"), shown, expected);
}

/// Each list has the jobs that match, as far as a page goes.
fn lists(sql: &Sql, browser: &mut Browser, who: &str) {
    let whose = of(who);
    let label = "id IN (SELECT job FROM labels WHERE key = 'album' AND value = 'queued')";
    for (query, rows) in [
        ("", "TRUE"),
        ("state=dead", "state = 'dead'"),
        ("state=queued", "state = 'queued'"),
        ("state=running", "state = 'running'"),
        ("state=waiting&failed_within=1h", "state = 'waiting' AND failure IS NOT NULL"),
        ("label=album%3Aqueued", label),
        ("region=lanzhou", "region = 'lanzhou'"),
        ("operation=pano.tiles", "operations LIKE '%,pano.tiles,%'"),
        ("worker=worker-1", "worker = 'worker-1'"),
    ] {
        let ids =
            || sql.names(&format!("SELECT id FROM jobs WHERE parent IS NULL AND {rows}{whose}"));
        let shown = || {
            let page = browser.read(who, &format!("/?{query}"));
            let links = page.tables.iter().flat_map(|table| &table.rows);
            let mut ids: Vec<String> =
                links.map(|row| row.links[0].trim_start_matches("/view/").to_owned()).collect();
            ids.sort_unstable();
            ids
        };
        assert!(ids().len() < 50, "a page has them all");
        agree(&format!("jobs of `{query}`, as {who} sees them"), shown, ids);
    }
}

/// Groups: their jobs by state, how many attempts failed so, and the page of each.
fn failures(sql: &Sql, browser: &mut Browser, who: &str) {
    let whose = of(who);
    let by_state = format!(
        "SELECT failure || ' ' || state, count(*) FROM jobs WHERE failure IS NOT NULL{whose} GROUP BY 1"
    );
    let attempts = format!(
        "SELECT failure, count(*) FROM setbacks WHERE reason = 'attempt_failed' AND failure IN \
         (SELECT failure FROM jobs WHERE failure IS NOT NULL{whose}){whose} GROUP BY 1"
    );
    let shown = || {
        let page = browser.read(who, "/failures");
        let (mut groups, mut trends) = (BTreeMap::new(), BTreeMap::new());
        for row in &page.tables[0].rows {
            let fingerprint = row.links[0].trim_start_matches("/failures/");
            let words: Vec<&str> = row.cells[1].split(' ').collect();
            for pair in words.chunks(2) {
                groups.insert(format!("{fingerprint} {}", pair[1]), pair[0].parse().unwrap());
            }
            // Without an attempt there is nothing to draw.
            if let Some(said) = row.labels.first() {
                let attempts = said.split(' ').next().unwrap();
                trends.insert(fingerprint.to_owned(), attempts.parse().unwrap());
            }
        }
        (groups, trends)
    };
    let expected = || (sql.counts(&by_state), sql.counts(&attempts));
    agree(&format!("failures, as {who} sees them"), shown, expected);
    for fingerprint in
        sql.names(&format!("SELECT DISTINCT failure FROM jobs WHERE failure IS NOT NULL{whose}"))
    {
        let of_it = format!("FROM jobs WHERE failure = '{fingerprint}'{whose}");
        let states = format!("SELECT state, count(*) {of_it} GROUP BY 1");
        let ended = format!("SELECT count(*) {of_it} AND state IN ('dead', 'expired')");
        let page = browser.read(who, &format!("/failures/{fingerprint}"));
        assert_eq!(counted(&page.badges), sql.counts(&states), "{fingerprint}");
        assert_eq!(page.rows(), sql.number(&format!("SELECT count(*) {of_it}")), "{fingerprint}");
        let jobs = match sql.number(&ended) {
            1 => "1 job".to_owned(),
            jobs => format!("{jobs} jobs"),
        };
        let button = page.buttons.iter().any(|button| *button == format!("Start {jobs} anew"));
        assert_eq!(button, who == SUPPORT && jobs != "0 jobs", "{:?}", page.buttons);
    }
}

/// The page of a job tells of each attempt and each event.
fn one_job(site: &Site, seed: &Seed, browser: &mut Browser) {
    let Seed { good, garbage, truncated, crashed, long, .. } = seed;
    for id in garbage.iter().chain([good, truncated, crashed, &long[0], &long[1]]) {
        let events = format!("SELECT count(*) FROM history WHERE job = '{id}'");
        let attempts = format!(
            "SELECT count(DISTINCT doc::json->>'attempt') FROM history WHERE job = '{id}' AND doc::json->>'attempt' IS NOT NULL"
        );
        let state = format!("SELECT state FROM jobs WHERE id = '{id}'");
        let shown = || {
            let page = browser.read(SUPPORT, &format!("/view/{id}"));
            let of_attempts = page
                .tables
                .iter()
                .find(|table| table.head.first().is_some_and(|head| head == "Attempt"));
            let state =
                page.heading.split(' ').find(|word| STATES.contains(word)).map(str::to_owned);
            let events = page.summaries.iter().find_map(|text| {
                text.strip_suffix(" events").or(text.strip_suffix(" event"))?.parse().ok()
            });
            (
                state.unwrap(),
                events.unwrap_or(0),
                of_attempts.map_or(0, |table| table.rows.len()) as u64,
            )
        };
        let expected =
            || (site.sql.ask(&state), site.sql.number(&events), site.sql.number(&attempts));
        agree(&format!("state, events and attempts of job {id}"), shown, expected);
    }
    let page = browser.read(SUPPORT, &format!("/view/{crashed}"));
    assert!(page.text.contains("killed") || page.text.contains("signal"), "{}", page.text);
}

/// How far an attempt came, as its worker last said.
fn progress(site: &Site, seed: &Seed, browser: &mut Browser) {
    let id = seed.stuck;
    let said = format!(
        "SELECT floor((doc::json->>'fraction')::float8 * 100) || ' %, ' || (doc::json->>'step') \
         FROM progress WHERE job = '{id}'"
    );
    let page = browser.read(SUPPORT, &format!("/view/{id}"));
    let attempts =
        page.tables.iter().find(|table| table.head.first().is_some_and(|it| it == "Attempt"));
    let attempts = attempts.unwrap();
    let place = attempts.head.iter().position(|head| head == "Came so far").unwrap();
    let shown = &attempts.rows[0].cells[place];
    assert!(shown.ends_with(&site.sql.ask(&said)), "{shown}");
}

const STATES: [&str; 9] = [
    "waiting",
    "queued",
    "sent",
    "running",
    "closing",
    "succeeded",
    "dead",
    "cancelled",
    "expired",
];

/// Dead letters, deliveries, schedules, the audit log.
fn beside_jobs(site: &Site, seed: &Seed, browser: &mut Browser) {
    let sql = &site.sql;
    let letters = browser.read(OPERATOR, "/dead-letters");
    assert_eq!(letters.rows(), seed.letters as u64);
    let webhook = &seed.webhook;
    let deliveries = format!(
        "SELECT CASE WHEN delivered THEN 'delivered' WHEN due_at IS NULL THEN 'failed' ELSE 'pending' END, count(*) \
         FROM deliveries WHERE webhook = '{webhook}' GROUP BY 1"
    );
    let shown = || {
        let page = browser.read(SUPPORT, &format!("/webhooks/{webhook}"));
        let mut states = BTreeMap::new();
        for state in page.column("State") {
            let state = state.split([',', ' ']).next().unwrap();
            *states.entry(state.to_owned()).or_insert(0) += 1;
        }
        states
    };
    agree("deliveries by state", shown, || sql.counts(&deliveries));
    assert_eq!(sql.counts(&deliveries)["failed"], 1);
    let webhooks = format!("SELECT count(*) FROM webhooks WHERE tenant = '{ACME}'");
    assert_eq!(browser.read(SUPPORT, "/webhooks").rows(), sql.number(&webhooks));
    let schedules = browser.read(SUPPORT, "/schedules");
    let names = sql.names(&format!("SELECT name FROM schedules WHERE tenant = '{ACME}'"));
    assert_eq!(schedules.column("Schedule"), names);
    let entries = || sql.number("SELECT least(count(*), 100) FROM audit");
    agree("entries of the audit log", || browser.read(OPERATOR, "/audit").rows(), entries);
}
