//! Many jobs at once, from the command line's side: submitted, followed, moved, deleted.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use panofleet_service::clock::wall_clock;
use panofleet_tests::fleet::{Fleet, Kind};
use panofleet_tests::{eventually, processes, root};
use serde_json::Value;

use crate::site::panofleet;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a command that does not succeed says, and its exit code.
#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn failing(fleet: &Fleet, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(processes::program("panofleet"));
    let output = command.arg("--data").arg(fleet.folder()).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A folder stands for its files; one that is no picture holds up no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_pictures_is_submitted_and_its_results_are_fetched() {
    let fleet = Fleet::start(Kind::OneProcess, &[]).await;
    let (from, to) = (fleet.folder().join("from"), fleet.folder().join("to"));
    std::fs::create_dir_all(from.join("deep")).unwrap();
    let picture = std::fs::read(root().join("fixtures/equirect.jpg")).unwrap();
    for name in ["a.jpg", "b.jpg", "deep/a.jpg"] {
        std::fs::write(from.join(name), &picture).unwrap();
    }
    std::fs::write(from.join("empty.jpg"), "").unwrap();
    std::fs::write(from.join("words.jpg"), "this is no picture").unwrap();
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    let submit =
        ["submit", from, "--output", "small=image.thumbnail", "--label", "album=42", "--json"];
    let (code, said) = failing(&fleet, &[&submit[..], &["--download", to]].concat());
    assert_eq!(code, Some(1), "one could not be submitted");
    let said = json(&said);
    let said = said.as_array().unwrap();
    let states: Vec<&str> =
        said.iter().map(|one| one["job"]["state"].as_str().unwrap_or("none")).collect();
    assert_eq!(states, ["succeeded", "succeeded", "succeeded", "none", "dead"], "{said:#?}");
    assert!(said[3]["error"].as_str().unwrap().contains("is empty"), "{}", said[3]);
    assert_eq!(said[4]["job"]["failure"]["class"], "rejected");
    let folders = |to: &str| {
        let mut names: Vec<String> = std::fs::read_dir(to)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let second = format!("a-{}", said[2]["job"]["id"].as_str().unwrap());
    assert_eq!(folders(to), ["a".to_owned(), second, "b".to_owned()]);

    // Nothing is left to do, and then they go.
    let counted = panofleet(&fleet, None, &["cancel-all", "--label", "album:42", "--dry-run"]);
    assert!(counted.unwrap().contains("0 jobs match"));
    let deleted = ["delete-all", "--label", "album:42", "--yes", "--json"];
    let bulk = json(&panofleet(&fleet, None, &deleted).unwrap());
    assert_eq!((&bulk["done"], &bulk["refused"]), (&4.into(), &0.into()), "{bulk}");
    eventually("all outputs are gone", PATIENCE, async || {
        let list = panofleet(&fleet, None, &["deletions", "--json"]).unwrap();
        let list = json(&list);
        let list = list.as_array().unwrap();
        let gone = list.iter().filter(|one| one.get("outputs_gone_at").is_some()).count();
        (list.len() == 4 && gone == 4).then_some(())
    })
    .await;
    let id = said[0]["job"]["id"].as_str().unwrap();
    let refused = panofleet(&fleet, None, &["retry", id]).unwrap_err();
    assert!(refused.contains("job_deleted"), "{refused}");
    eventually("nobody remembers its manifest", PATIENCE, async || {
        let refused = panofleet(&fleet, None, &["outputs", "list", id]).err()?;
        assert!(refused.contains("job_deleted"), "{refused}");
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_get_a_verdict_each_and_jobs_are_followed() {
    let fleet = Fleet::start(Kind::OneProcess, &[]).await;
    let noop = r#"{"source":"none","outputs":{"n":{"op":"fleet.noop"}},"labels":{"from":"lines"}}"#;
    let path = fleet.folder().join("jobs.ndjson");
    std::fs::write(&path, format!("{noop}\n\n{{\"source\": 7}}\n{noop}")).unwrap();

    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    let mut watch = Command::new(processes::program("panofleet"))
        .args(["watch", "--label", "from:lines", "--json", "--api", &fleet.api.url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = BufReader::new(watch.stdout.take().unwrap());
    // Once it tells of a job that waits, it hears of all others.
    let in_an_hour = (wall_clock() + Duration::from_secs(3600)).to_string();
    let later = ["submit", "none", "--output", "n=fleet.noop", "--label", "from=lines"];
    let later = [&later[..], &["--start-at", &in_an_hour]].concat();
    let later = panofleet(&fleet, None, &later).unwrap();
    let first = tokio::task::spawn_blocking(move || {
        let mut first = String::new();
        heard.read_line(&mut first).unwrap();
        (heard, json(&first))
    });
    let (heard, first) = tokio::time::timeout(PATIENCE, first).await.expect("it is heard").unwrap();
    assert_eq!(first["id"], later.trim());

    let lines = ["submit", "--lines", path.to_str().unwrap()];
    let (code, verdicts) = failing(&fleet, &lines);
    assert_eq!(code, Some(1));
    assert!(verdicts.contains("line 3: "), "{verdicts}");
    assert!(verdicts.contains("2 jobs accepted, 1 lines refused"), "{verdicts}");
    let heard = tokio::task::spawn_blocking(move || {
        let mut ended = Vec::new();
        for line in heard.lines() {
            let job = json(&line.unwrap());
            assert_eq!(job["labels"]["from"], "lines");
            if job["state"] == "succeeded" {
                ended.push(job["id"].as_str().unwrap().to_owned());
            }
            if ended.len() == 2 {
                break;
            }
        }
        ended
    });
    let ended = tokio::time::timeout(PATIENCE, heard).await.expect("both are heard of").unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(ended.iter().all(|id| verdicts.contains(id)), "{ended:?}: {verdicts}");

    // What waits is moved, one or all.
    let too_late =
        ["submit", "none", "--output", "n=fleet.noop", "--start-at", "2126-01-01T00:00:00Z"];
    assert!(panofleet(&fleet, None, &too_late).unwrap_err().contains("start_at"), "too far ahead");
    let refused = panofleet(&fleet, None, &["reprioritise", "low", &ended[0]]).unwrap_err();
    assert!(refused.contains("job_ended"), "{refused}");
    let moved = ["reprioritise-all", "high", "--label", "from:lines", "--dry-run"];
    assert!(panofleet(&fleet, None, &moved).unwrap().contains("1 job match"));
}

/// What an operator asks of a new fleet.
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_says_how_fast_it_is_and_keeps_nothing_of_it() {
    let fleet = Fleet::start(Kind::OneProcess, &[]).await;
    let bench = ["bench", "--jobs", "50", "--run-ms", "1", "--json"];
    let outcome = json(&panofleet(&fleet, None, &bench).unwrap());
    assert_eq!((&outcome["jobs"], &outcome["retries"]), (&50.into(), &0.into()));
    let of = |name: &str| outcome[name].as_f64().unwrap();
    assert!(of("accepted_s") > 0.0 && of("ended_s") >= of("accepted_s"), "{outcome}");
    assert!(outcome["pickup_ms"]["p50"].as_f64().unwrap() >= 0.0, "{outcome}");
    eventually("all of them are to go", PATIENCE, async || {
        let list = panofleet(&fleet, None, &["deletions", "--json", "--limit", "200"]).unwrap();
        (json(&list).as_array().unwrap().len() == 50).then_some(())
    })
    .await;
}
