//! `panofleet top` in a terminal: what its keys promise is what happens.

use crate::seed::{Seed, until};
use crate::site::{ACME, Site};
use crate::terminal::Terminal;

pub(crate) async fn do_what_they_say(site: &Site, seed: &Seed) {
    let mut top = Terminal::start(site, &["--tenant", ACME, "top", "--every", "500ms"]);
    top.shows("q quit");
    top.shows("dead");
    assert_eq!(top.is_taken(), (true, true));
    queues(site, &mut top).await;
    running(site, seed, &mut top).await;
    retries(site, seed, &mut top).await;
    failures(site, seed, &mut top).await;
    workers(site, &mut top).await;
    leave(&mut top);
    without_a_tenant(site);
}

/// A queue is paused, after a no and a yes, and gets jobs again.
async fn queues(site: &Site, top: &mut Terminal) {
    let paused = "SELECT count(*) FROM pauses WHERE kind = 'lane' AND name = 'lanzhou.video'";
    top.press("1");
    top.shows("p pause");
    top.go_to("lanzhou.video");
    top.press("p");
    top.shows("Send nothing more to lanzhou.video?");
    top.press("n");
    top.until("nothing is asked", |top| !top.text().contains("Send nothing more"));
    assert_eq!(site.sql.number(paused), 0, "n means no");
    top.press("p");
    top.shows("Send nothing more to lanzhou.video?");
    top.press("y");
    top.shows("lanzhou.video is paused");
    assert_eq!(site.sql.number(paused), 1);
    top.until("it is seen", |top| top.chosen().contains("paused"));
    top.press("p");
    top.shows("Send jobs to lanzhou.video again?");
    top.press("y");
    top.shows("lanzhou.video gets jobs again");
    assert_eq!(site.sql.number(paused), 0);
}

/// A job that runs is shown with what it is, and cancelled.
async fn running(site: &Site, seed: &Seed, top: &mut Terminal) {
    let held = format!(
        "SELECT id FROM jobs WHERE id IN ('{}', '{}') AND state = 'running' ORDER BY id LIMIT 1",
        seed.long[0], seed.long[1]
    );
    let job = site.sql.ask(&held);
    top.press("2");
    top.shows(&seed.stuck.to_string());
    top.go_to(&job);
    top.press("c");
    top.shows(&format!("Cancel job {job}?"));
    top.press("y");
    top.shows(&format!("job {job} is"));
    until(
        site,
        &format!("SELECT count(*) FROM jobs WHERE id = '{job}' AND state = 'cancelled'"),
        1,
    )
    .await;
}

/// What waits for a retry goes at once, as the same job with what it has cost, and succeeds.
async fn retries(site: &Site, seed: &Seed, top: &mut Terminal) {
    let job = seed.crashed;
    top.press("3");
    top.go_to(&job.to_string());
    top.press("r");
    top.shows(&format!("Have job {job} go now?"));
    top.press("y");
    let done = format!(
        "SELECT count(*) FROM jobs WHERE id = '{job}' AND state = 'succeeded' \
         AND doc::json->>'generation' = '1' AND doc::json->'counters'->>'charged' = '1'"
    );
    until(site, &done, 1).await;
    top.shows("no retry is due within the hour");
}

/// The jobs of one failure are started anew, and fail as before.
async fn failures(site: &Site, seed: &Seed, top: &mut Terminal) {
    let job = seed.truncated;
    let failure = site.sql.ask(&format!("SELECT failure FROM jobs WHERE id = '{job}'"));
    top.press("4");
    top.go_to(&failure);
    top.press("r");
    top.shows(&format!("Start 1 ended jobs of failure {failure} anew?"));
    top.press("y");
    top.shows("1 jobs are started anew");
    until(
        site,
        &format!(
            "SELECT count(*) FROM jobs WHERE id = '{job}' AND doc::json->>'generation' = '2' AND state = 'dead'"
        ),
        1,
    )
    .await;
    until(site, "SELECT count(*) FROM bulks WHERE ended_at IS NOT NULL", 1).await;
}

async fn workers(site: &Site, top: &mut Terminal) {
    let told = "SELECT count(*) FROM worker_orders WHERE worker = 'worker-3' AND draining";
    top.press("5");
    top.shows("silent");
    top.go_to("worker-3");
    top.press("d");
    top.shows("Have worker-3 finish what it has, and take no more?");
    top.press("y");
    top.shows("worker-3 finishes what it has");
    assert_eq!(site.sql.number(told), 1);
    top.until("it is seen", |top| top.chosen().contains("draining"));
    top.press("d");
    top.shows("Have worker-3 take jobs again?");
    top.press("y");
    top.shows("worker-3 takes jobs again");
    assert_eq!(site.sql.number(told), 0);
    let says = "SELECT count(*) FROM workers WHERE worker = 'worker-3' AND doc::json->>'draining' = 'false'";
    until(site, says, 1).await;
}

/// The terminal is as it was: set alike, with what was there before, and with a cursor.
fn leave(top: &mut Terminal) {
    top.press("q");
    top.shows("ended 0 after");
    assert_eq!(top.is_taken(), (false, false));
    let text = top.text();
    let set = |word: &str| {
        let line = text.split_once(word).unwrap_or_else(|| panic!("{text}")).1;
        line.split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(set("before"), set("after"), "{text}");
    assert!(!text.contains("Overview"), "{text}");
}

/// Failures are of all tenants then, and nobody is asked about jobs that would not be started.
fn without_a_tenant(site: &Site) {
    let mut top = Terminal::start(site, &["top", "--every", "500ms"]);
    top.press("4");
    top.shows("r start anew");
    top.go_to("dead");
    top.press("r");
    top.shows("start top with --tenant");
    // As at any program in a terminal.
    top.press("\u{3}");
    top.shows("ended 0 after");
}
