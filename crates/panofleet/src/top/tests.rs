//! The screen, cell by cell, out of answers as the API gives them.

use std::time::Duration;

use panofleet_job_schema::Lane;
use panofleet_jobs_db::PauseTarget;
use panofleet_producer::api::ScaleView;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;
use serde_json::{Value, json};

use super::app::{Action, App, Key, Tab, Then};
use super::snapshot::{Rates, Snapshot};
use super::tables::text;
use super::view::draw;

const JOB: &str = "019ad6a0-0000-7000-8000-000000000001";

fn job(id: &str) -> Value {
    json!({
        "id": id, "tenant": "acme", "state": "running", "version": 3, "claims": [],
        "source": "s3://photos/reef.jpg", "outputs": { "tiles": { "op": "pano.tiles" } },
        "region": "hangzhou", "lane": "image", "priority": "normal", "generation": 1,
        "attempt": 2, "max_attempts": 3, "timeout": "10m",
        "progress": { "fraction": 0.42, "step": "tiles", "uploaded_bytes": 7 },
        "counters": { "last_attempt": 2, "before_generation": 0, "charged": 1, "crashes": 0, "losses": 0, "releases": 0 },
        "accepted_at": "2026-11-30T09:58:00.000Z", "deadline_at": "2026-12-01T09:58:00.000Z",
        "links": { "self": "/v1/jobs/x", "history": "/v1/jobs/x/history", "wait": "/v1/jobs/x/wait", "view": "/view/x" },
    })
}

fn snapshot() -> Snapshot {
    let time = |minute: u32, jobs: u64| {
        json!({ "from": format!("2026-11-30T10:{:02}:00.000Z", minute),
                "to": format!("2026-11-30T10:{:02}:00.000Z", minute + 5), "jobs": jobs })
    };
    let retry = |id: &str, at: &str| {
        json!({ "id": id, "tenant": "acme", "region": "hangzhou", "state": "waiting", "at": at,
                "attempt": 1, "code": "store_away" })
    };
    let group = |fingerprint: &str, dead: u64| {
        json!({ "fingerprint": fingerprint, "class": "rejected", "code": "not_a_picture",
                "pattern": "the source is not a picture", "jobs": 3, "states": { "dead": dead, "waiting": 3 - dead },
                "regions": { "hangzhou": 3 }, "first_at": "2026-11-30T09:00:00.000Z",
                "last_at": "2026-11-30T09:59:30.000Z", "sample": { "id": JOB, "message": "it is not" } })
    };
    let worker = |name: &str, alive: bool| {
        json!({ "worker": name, "region": "hangzhou", "lanes": ["image"], "slots": 4, "version": "0.1.0",
                "draining": false, "order_revision": 0, "started_at": "2026-11-30T08:00:00.000Z",
                "beat_at": "2026-11-30T09:59:55.000Z", "alive": alive, "unreachable": false, "claims": [] })
    };
    let other = "019ad6a0-0000-7000-8000-000000000002";
    serde_json::from_value(json!({
        "at": "2026-11-30T10:00:00.000Z",
        "tenant": "acme",
        "states": { "queued": 5, "running": 2, "dead": 3, "succeeded": 10 },
        "queues": [{ "region": "hangzhou", "lane": "image", "queued": 5, "sent": 1, "running": 2, "oldest_s": 75,
                     "workers": 2, "workers_busy": 1, "slots": 8, "slots_busy": 2, "paused": true, "desired": 3 }],
        "running": [job(JOB), job(other)],
        "retries": [retry(JOB, "2026-11-30T10:00:30.000Z"), retry(other, "2026-11-30T09:59:00.000Z")],
        "forecast": [time(0, 4), time(5, 0), time(10, 8)],
        "failures": [group("aa01", 2), group("bb02", 0)],
        "workers": [worker("w1", true), worker("w2", false)],
    }))
    .unwrap()
}

fn app() -> App {
    let mut app = App::new("http://127.0.0.1:8360");
    app.news(Ok(snapshot()));
    app
}

/// The lines of the screen, without what is empty at their ends; and the lines that are chosen.
fn screen(app: &App) -> (Vec<String>, Vec<String>) {
    let mut terminal = Terminal::new(TestBackend::new(110, 14)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let (mut lines, mut chosen) = (Vec::new(), Vec::new());
    for y in 0..buffer.area.height {
        let cells = || (0..buffer.area.width).map(|x| &buffer[(x, y)]);
        let line: String = cells().map(ratatui::buffer::Cell::symbol).collect();
        if y > 2 && cells().all(|cell| cell.modifier.contains(Modifier::REVERSED)) {
            chosen.push(line.trim_end().to_owned());
        }
        lines.push(line.trim_end().to_owned());
    }
    (lines, chosen)
}

fn shows(app: &App, words: &[&str]) {
    let (lines, _) = screen(app);
    let all = lines.join("\n");
    for words in words {
        assert!(all.contains(words), "{words}:\n{all}");
    }
}

#[test]
fn the_overview_says_how_things_stand() {
    let mut app = app();
    shows(
        &app,
        &[
            "panofleet http://127.0.0.1:8360  0.0 s ago",
            "1 Overview",
            "jobs      5 queued · 2 running · 10 succeeded · 3 dead",
            "rate      known after the next look",
            "retries   12 due within the hour  ▕▄ █▏",
            "failed    3 jobs: the source is not a picture (not_a_picture)",
            "hangzhou.image  5       1     2        1 min 15 s  2 of 8  2        3       paused",
            "q quit",
        ],
    );
    let mut later = snapshot();
    later.at = later.at + Duration::from_secs(10);
    later.states.insert("queued".into(), 45);
    later.states.insert("succeeded".into(), 15);
    app.news(Ok(later));
    assert_eq!(app.rates, Some(Rates { accepted: 4.5, ended: 0.5 }));
    shows(&app, &["4.5 a second come, 0.5 end"]);
}

#[test]
fn no_rate_is_made_of_jobs_that_were_removed() {
    let (before, mut after) = (snapshot(), snapshot());
    assert_eq!(after.rates_since(&before), None, "no time has passed");
    after.at = after.at + Duration::from_secs(1);
    after.states.remove("succeeded");
    assert_eq!(after.rates_since(&before), None);
}

#[test]
fn rows_are_chosen_with_keys_and_tabs_remember_them() {
    let mut app = app();
    assert_eq!(app.press(Key::NextTab), Then::Draw);
    let (_, chosen) = screen(&app);
    assert_eq!(chosen.len(), 1);
    assert!(chosen[0].starts_with(JOB) && chosen[0].contains("████░░░░░░  42 %"), "{chosen:?}");
    for (key, row) in [(Key::Down, 1), (Key::Down, 1), (Key::Up, 0), (Key::Up, 0), (Key::Last, 1)] {
        app.press(key);
        assert_eq!(app.row(), row, "{key:?}");
    }
    app.press(Key::TabAt(3));
    assert_eq!((app.tab, app.row()), (Tab::Failures, 0));
    app.press(Key::TabBefore);
    app.press(Key::TabBefore);
    assert_eq!((app.tab, app.row()), (Tab::Running, 1));
    app.press(Key::TabAt(9));
    assert_eq!(app.tab, Tab::Running);
    // The row has gone since.
    let mut fewer = snapshot();
    fewer.running.truncate(1);
    app.news(Ok(fewer));
    assert_eq!(app.row(), 0);
    assert_eq!(screen(&app).1.len(), 1);
}

#[test]
fn what_changes_something_is_done_after_a_yes_only() {
    let mut app = app();
    app.press(Key::TabAt(1));
    assert_eq!(app.press(Key::Cancel), Then::Draw);
    shows(&app, &[&format!("Cancel job {JOB}? y: yes, any other key: no")]);
    assert_eq!(app.press(Key::Quit), Then::Draw, "any other key means no");
    assert_eq!(app.press(Key::Yes), Then::Draw, "nothing is asked any more");
    app.press(Key::Cancel);
    assert_eq!(app.press(Key::Yes), Then::Do(Action::Cancel(JOB.parse().unwrap())));
    assert_eq!(app.press(Key::Quit), Then::Quit);

    app.press(Key::TabAt(3));
    app.press(Key::Retry);
    shows(&app, &["Start 2 ended jobs of failure aa01 anew?"]);
    let again = Action::RetryGroup { failure: "aa01".into(), jobs: 2 };
    assert_eq!(app.press(Key::Yes), Then::Do(again));
    app.press(Key::Down);
    app.press(Key::Retry);
    shows(&app, &["none of them has ended"]);
    app.press(Key::TabAt(2));
    app.press(Key::Retry);
    shows(&app, &[&format!("Have job {JOB} go now?")]);
    assert_eq!(app.press(Key::Yes), Then::Do(Action::RunNow(JOB.parse().unwrap())));
    app.press(Key::TabAt(1));
    app.press(Key::Release);
    shows(&app, &["let job"]);
    assert_eq!(app.press(Key::Yes), Then::Do(Action::Release(JOB.parse().unwrap())));
    app.press(Key::TabAt(4));
    app.press(Key::Drain);
    shows(&app, &["Have w1 finish what it has, and take no more?"]);
    app.press(Key::Other);
    app.press(Key::TabAt(0));
    app.press(Key::Cancel);
    shows(&app, &["there is nothing here that this key acts on"]);
}

/// The queue in the first row is paused, the other one is not.
#[test]
fn a_queue_is_paused_and_gets_jobs_again() {
    let mut two = snapshot();
    let queues = two.queues.as_mut().unwrap();
    let other = ScaleView { lane: Lane::Video, paused: false, ..queues[0].clone() };
    queues.push(other);
    let mut app = app();
    app.news(Ok(two));
    shows(&app, &["p pause, or send jobs again"]);
    let lane = |lane| PauseTarget::Lane("hangzhou".parse().unwrap(), lane);
    app.press(Key::Pause);
    shows(&app, &["Send jobs to hangzhou.image again?"]);
    assert_eq!(app.press(Key::Yes), Then::Do(Action::Resume(lane(Lane::Image))));
    app.press(Key::Down);
    assert!(screen(&app).1[0].starts_with("hangzhou.video"));
    app.press(Key::Pause);
    shows(&app, &["Send nothing more to hangzhou.video?"]);
    assert_eq!(app.press(Key::Yes), Then::Do(Action::Pause(lane(Lane::Video))));
}

/// The count is of all tenants' jobs, and the API would start those of one.
#[test]
fn whoever_looks_at_all_tenants_names_one_to_start_jobs_anew() {
    let mut app = app();
    app.news(Ok(Snapshot { tenant: None, ..snapshot() }));
    app.press(Key::TabAt(3));
    app.press(Key::Retry);
    shows(&app, &["start top with --tenant"]);
    assert_eq!(app.press(Key::Yes), Then::Draw);
}

#[test]
fn on_a_bad_network_the_last_data_stay_and_say_how_old_they_are() {
    let mut app = App::new("http://fleet");
    app.news(Err("no answer".into()));
    shows(&app, &["panofleet http://fleet  no answer"]);
    assert!(app.press(Key::Cancel) == Then::Draw && app.asked.is_none());
    app.news(Ok(snapshot()));
    app.age = Duration::from_secs(75);
    app.news(Err("no answer".into()));
    shows(&app, &["1 min 15 s old: no answer", "5 queued"]);
    app.news(Ok(snapshot()));
    assert!(!screen(&app).0.join("\n").contains("no answer"));
}

#[test]
fn every_part_has_its_rows_and_says_when_there_are_none() {
    let mut app = app();
    for (place, words) in [
        (2, ["in 30.0 s", "now", "store_away"]),
        (3, ["2 dead, 1 waiting", "30.0 s ago", "aa01"]),
        (4, ["takes jobs", "silent", "0 of 4"]),
    ] {
        app.press(Key::TabAt(place));
        shows(&app, &words);
    }
    let mut nothing = snapshot();
    (nothing.running, nothing.retries, nothing.failures) = (vec![], vec![], vec![]);
    (nothing.workers, nothing.queues) = (None, None);
    app.news(Ok(nothing));
    for (place, words) in [
        (0, "it takes the scope scale"),
        (1, "nothing runs"),
        (2, "no retry is due within the hour"),
        (3, "nothing failed"),
        (4, "it takes the scope ops"),
    ] {
        app.press(Key::TabAt(place));
        shows(&app, &[words]);
    }
}

#[test]
fn once_everything_is_told_in_lines() {
    let told = text(&app());
    for words in [
        "http://127.0.0.1:8360 at 2026-11-30T10:00:00.000Z",
        "Running\njob",
        "Workers\nworker",
        "aa01",
    ] {
        assert!(told.contains(words), "{words}:\n{told}");
    }
    assert!(!told.contains('\u{1b}') && !told.ends_with('\n'));
}
