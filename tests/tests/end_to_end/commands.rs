//! Every command that asks the API, as two tenants and an operator give it, to a fleet over Kafka, PostgreSQL and S3.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use panofleet_service::clock::wall_clock;
use panofleet_tests::fleet::{ADMIN_KEY, Fleet, Kind};
use panofleet_tests::{eventually, processes, root};
use serde_json::Value;

use crate::site::{PATIENCE, panofleet};

const NOOP: [&str; 4] = ["submit", "none", "--output", "n=fleet.noop"];
/// Commands that ask no API.
const LOCAL: [&str; 12] = [
    "up",
    "producer",
    "dispatcher",
    "collector",
    "worker",
    "topics",
    "lifecycle",
    "run",
    "operations",
    "completions",
    "man",
    "config",
];

/// Somebody who gives commands with a key.
struct Desk<'a> {
    fleet: &'a Fleet,
    tenant: &'static str,
    key: String,
    given: &'a Mutex<BTreeSet<String>>,
}

/// What a tenant has.
struct Things {
    done: String,
    dead: String,
    later: [String; 2],
    schedule: String,
    webhook: String,
    key: String,
}

impl Desk<'_> {
    fn give(&self, arguments: &[&str]) -> Result<String, String> {
        let words = arguments.iter().take(2).copied();
        self.given
            .lock()
            .unwrap()
            .extend([arguments[0].to_owned(), words.collect::<Vec<_>>().join(" ")]);
        let at = ["--api", &self.fleet.api.url];
        panofleet(self.fleet, Some(&self.key), &[&at[..], arguments].concat())
    }

    #[track_caller]
    fn say(&self, arguments: &[&str]) -> String {
        self.give(arguments).unwrap_or_else(|why| panic!("{}: {arguments:?}: {why}", self.tenant))
    }

    #[track_caller]
    fn ask(&self, arguments: &[&str]) -> Value {
        let said = self.say(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|why| panic!("{arguments:?}: {why}: {said}"))
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], why: &str) {
        let said = self.give(arguments).expect_err(&format!("{}: {arguments:?}", self.tenant));
        assert!(said.contains(why), "{}: {arguments:?}: {said}", self.tenant);
    }

    async fn until(&self, id: &str, state: &str) {
        eventually(&format!("job {id} is {state}"), PATIENCE, async || {
            (self.ask(&["job", id])["job"]["state"] == state).then_some(())
        })
        .await;
    }

    fn label(&self) -> String {
        format!("of:{}", self.tenant)
    }

    /// The tenant's jobs in a state.
    fn jobs(&self, state: &str) -> usize {
        let listed = self.ask(&["jobs", "--state", state, "--label", &self.label()]);
        listed["jobs"].as_array().unwrap().len()
    }
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

/// A picture that is made smaller, one that is none, two jobs of another day, and whatever else one may have.
async fn set_up(desk: &Desk<'_>) -> Things {
    let label = desk.label().replace(':', "=");
    let words = desk.fleet.folder().join("words.jpg");
    std::fs::write(&words, "this is no picture").unwrap();
    let picture = root().join("fixtures/equirect.jpg");
    let submit = |path: &std::path::Path| {
        let output = ["--output", "small=image.thumbnail", "--label", &label];
        desk.say(&[&["submit", path.to_str().unwrap()], &output[..]].concat()).trim().to_owned()
    };
    let (done, dead) = (submit(&picture), submit(&words));
    let in_an_hour = (wall_clock() + Duration::from_secs(3600)).to_string();
    let later = [(); 2].map(|()| {
        let when = ["--start-at", &in_an_hour, "--label", &label];
        desk.say(&[&NOOP[..], &when[..]].concat()).trim().to_owned()
    });
    let schedule = format!("nightly-{}", desk.tenant);
    let tick = ["--cron", "0 3 * * *", "--", "none", "--output", "n=fleet.noop"];
    desk.say(&[&["schedules", "add", &schedule], &tick[..]].concat());
    let url = format!("https://hooks.invalid/{}", desk.tenant);
    let webhook = id(&desk.ask(&["webhooks", "add", &url]));
    let key = id(&desk.ask(&["keys", "create", "reader", "--scope", "jobs:read"]));
    desk.until(&done, "succeeded").await;
    desk.until(&dead, "dead").await;
    Things { done, dead, later, schedule, webhook, key }
}

/// What it has is shown to it, whichever way it looks.
fn look(desk: &Desk<'_>, things: &Things) {
    let Things { done, dead, .. } = things;
    assert!(desk.say(&["whoami"]).contains(desk.tenant));
    assert!(desk.say(&["presets"]).contains("pano-share"));
    assert!(desk.say(&["ready"]).contains(&desk.fleet.api.url));
    let doctor = desk.say(&["doctor"]);
    assert!(doctor.contains("is ready") && doctor.contains("all: jobs:read"), "{doctor}");
    assert_eq!(desk.ask(&["jobs"])["jobs"].as_array().unwrap().len(), 4);
    assert_eq!((desk.jobs("succeeded"), desk.jobs("dead"), desk.jobs("waiting")), (1, 1, 2));
    assert!(desk.say(&["outputs", "list", done]).contains("small"));
    let folder = desk.fleet.folder().join(format!("got-{}", desk.tenant));
    desk.say(&["outputs", "get", done, folder.to_str().unwrap()]);
    assert!(folder.join("small").read_dir().unwrap().next().is_some());
    let failures = desk.ask(&["failures"]);
    let groups = failures["groups"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[0]["jobs"]), (1, &1.into()), "{failures}");
    assert_eq!(groups[0]["sample"]["id"], **dead);
    let by_region = desk.ask(&["ask", "failed-by-region"]);
    assert_eq!(by_region["groups"][0]["attempts"], 1, "{by_region}");
    let top = desk.ask(&["top", "--once"]);
    assert_eq!((&top["states"]["dead"], &top["states"]["waiting"]), (&1.into(), &2.into()));
    let count = ["retry-all", "--state", "dead", "--dry-run"];
    assert_eq!(desk.ask(&count)["matched"], 1);
}

/// What another one has is nothing to it.
fn is_kept_out(desk: &Desk<'_>, (other, theirs): (&str, &Things)) {
    let Things { done, dead, later, schedule, webhook, key } = theirs;
    let folder = desk.fleet.folder().join("stolen");
    for arguments in [
        &["job", done][..],
        &["jobs", "--parent", done],
        &["outputs", "list", done],
        &["outputs", "get", done, folder.to_str().unwrap()],
        &["cancel", &later[0]],
        &["retry", dead],
        &["release", &later[0]],
        &["reprioritise", "high", &later[0]],
        &["delete", done],
        &["deletions", done],
        &["schedules", "pause", schedule],
        &["schedules", "resume", schedule],
        &["schedules", "remove", schedule],
        &["webhooks", "change", webhook, "--disable"],
        &["webhooks", "rotate", webhook],
        &["webhooks", "test", webhook],
        &["webhooks", "deliveries", webhook],
        &["webhooks", "replay", webhook],
        &["webhooks", "remove", webhook],
        &["keys", "show", key],
        &["keys", "rotate", key],
        &["keys", "revoke", key],
    ] {
        match arguments {
            // A list, and so an empty one.
            ["jobs", ..] => assert_eq!(desk.ask(arguments)["jobs"], Value::Array(Vec::new())),
            _ => desk.refused(arguments, "404"),
        }
    }
    desk.refused(&["delete-tenant", other, "--yes"], "403");
    desk.refused(&["jobs", "--tenant", other], "wrong_tenant");
    let label = format!("of:{other}");
    for action in
        [&["retry-all"][..], &["cancel-all"], &["reprioritise-all", "low"], &["delete-all"]]
    {
        let count = desk.ask(&[action, &["--label", &label, "--dry-run"]].concat());
        assert_eq!(count["matched"], 0, "{action:?}");
    }
    let mut lists = vec![
        vec!["jobs"],
        vec!["failures"],
        vec!["deletions"],
        vec!["schedules", "list"],
        vec!["webhooks", "list"],
        vec!["keys", "list"],
        vec!["top", "--once"],
    ];
    let questions = desk.ask(&["ask"]);
    let names = questions["questions"].as_array().unwrap();
    lists.extend(names.iter().map(|one| vec!["ask", one["name"].as_str().unwrap()]));
    for list in lists {
        let said = desk.ask(&list).to_string();
        let names = [other, done, dead, &later[0], webhook, key];
        assert!(names.iter().all(|name| !said.contains(name)), "{list:?}: {said}");
    }
    for ops in [&["workers"][..], &["pauses"], &["scale"], &["dead-letters", "list"]] {
        desk.refused(ops, "missing_scope");
    }
}

/// It changes what it has.
async fn act(desk: &Desk<'_>, things: &Things) {
    let Things { done, dead, later: [first, second], .. } = things;
    let label = ["--label", &desk.label(), "--yes"];
    desk.say(&["retry", dead, "--to-region", desk.fleet.region(), "--timeout", "1h"]);
    desk.until(dead, "dead").await;
    assert_eq!(desk.ask(&["job", dead])["job"]["generation"], 2);
    assert!(desk.say(&[&["retry-all"], &label[..]].concat()).contains("1 job started anew"));
    desk.until(dead, "dead").await;
    desk.say(&["reprioritise", "high", first]);
    assert_eq!(desk.ask(&["job", first])["job"]["priority"], "high");
    let moved = desk.say(&[&["reprioritise-all", "low"], &label[..]].concat());
    assert!(moved.contains("2 jobs moved"), "{moved}");
    desk.say(&["cancel", first]);
    desk.until(first, "cancelled").await;
    assert!(desk.say(&[&["cancel-all"], &label[..]].concat()).contains("1 job cancelled"));
    desk.until(second, "cancelled").await;
    let_go(desk).await;
    desk.say(&["delete", done]);
    let all = desk.say(&[&["delete-all", "--state", "cancelled"], &label[..]].concat());
    assert!(all.contains("2 jobs to be deleted"), "{all}");
    assert_eq!(desk.ask(&["deletions", done])[0]["job"], **done);
    assert_eq!(desk.ask(&["deletions"]).as_array().unwrap().len(), 3);
    let bench = desk.ask(&["bench", "--jobs", "5"]);
    assert_eq!(bench["jobs"], 5);
}

/// A job that runs is let go at no cost, and runs again.
async fn let_go(desk: &Desk<'_>) {
    let long = desk.say(&["submit", "none", "--output", "n=fleet.noop,run_ms=600000"]);
    let long = long.trim();
    desk.until(long, "running").await;
    desk.say(&["release", long]);
    eventually("it runs again", PATIENCE, async || {
        let job = &desk.ask(&["job", long])["job"];
        let counters = &job["counters"];
        let spent = (counters["releases"].as_u64()?, counters["charged"].as_u64()?);
        (job["state"] == "running" && job["attempt"] == 2 && spent == (1, 0)).then_some(())
    })
    .await;
    desk.say(&["cancel", long]);
    desk.until(long, "cancelled").await;
}

/// Both tenants call theirs the same.
fn keep_a_view(desk: &Desk<'_>, dead: &str) {
    desk.say(&["views", "save", "gone / today?", "--state", "dead", "--label", &desk.label()]);
    let views = desk.ask(&["views", "list"]);
    assert_eq!(views.as_array().unwrap().len(), 1, "{views}");
    assert_eq!(views[0]["tenant"], desk.tenant);
    let seen = desk.ask(&["jobs", "--view", "gone / today?"]);
    let seen: Vec<_> = seen["jobs"].as_array().unwrap().iter().map(|job| &job["id"]).collect();
    assert_eq!(seen, [dead]);
    desk.say(&["views", "remove", "gone / today?"]);
    desk.refused(&["jobs", "--view", "gone / today?"], "there is no view");
}

/// It changes what stands beside jobs, and takes it away.
async fn tidy_up(desk: &Desk<'_>, things: &Things) {
    let Things { schedule, webhook, key, .. } = things;
    desk.say(&["schedules", "pause", schedule]);
    desk.say(&["schedules", "resume", schedule]);
    assert!(desk.say(&["schedules", "list"]).contains(schedule.as_str()));
    desk.say(&["schedules", "remove", schedule]);
    assert!(!desk.say(&["schedules", "list"]).contains(schedule.as_str()));

    desk.say(&["webhooks", "change", webhook, "--event", "job.dead"]);
    desk.say(&["webhooks", "rotate", webhook]);
    desk.say(&["webhooks", "test", webhook]);
    let told = desk.ask(&["webhooks", "deliveries", webhook]);
    assert!(!told["deliveries"].as_array().unwrap().is_empty(), "{told}");
    desk.say(&["webhooks", "replay", webhook]);
    assert!(desk.say(&["webhooks", "list"]).contains(webhook.as_str()));
    desk.say(&["webhooks", "remove", webhook]);

    assert!(desk.say(&["keys", "show", key]).contains("reader"));
    let next = desk.ask(&["keys", "rotate", key]);
    desk.say(&["keys", "revoke", &id(&next)]);
    let keys = desk.say(&["keys", "list"]);
    assert!(keys.contains("revoked") && keys.contains("rotated"), "{keys}");
    let audit = desk.say(&["audit", "--limit", "200"]);
    for action in ["job.retry", "webhook.rotate", "schedule.pause", "key.revoke", "bulk.begin"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

/// A job that comes while somebody watches is told.
fn watch(desk: &Desk<'_>) {
    desk.given.lock().unwrap().insert("watch".to_owned());
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    let mut watch = Command::new(processes::program("panofleet"))
        .args(["watch", "--json", "--label", &desk.label(), "--api", &desk.fleet.api.url])
        .env("PANOFLEET_API_KEY", &desk.key)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = String::new();
    // The two that wait for another day are told of at once, and nobody else's.
    BufReader::new(watch.stdout.take().unwrap()).read_line(&mut heard).unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
    let heard: Value = serde_json::from_str(&heard).unwrap();
    assert_eq!((&heard["tenant"], &heard["state"]), (&desk.tenant.into(), &"waiting".into()));
}

/// What only those may do who run the fleet.
async fn operate(desk: &Desk<'_>) {
    let workers = desk.ask(&["workers"]);
    let worker = workers[0]["worker"].as_str().unwrap();
    desk.say(&["drain", worker, "--reason", "a new kernel"]);
    desk.say(&["undrain", worker]);
    desk.say(&["pause", "tenant", "acme-oslo", "--reason", "an unpaid bill"]);
    assert!(desk.say(&["pauses"]).contains("an unpaid bill"));
    desk.say(&["resume", "tenant", "acme-oslo"]);
    assert!(!desk.say(&["pauses"]).contains("acme-oslo"));
    assert!(desk.say(&["scale", desk.fleet.region(), "image"]).contains("image"));
    desk.say(&["dead-letters", "list"]);
    desk.refused(&["dead-letters", "show", "1"], "letter_not_found");
    desk.refused(&["dead-letters", "replay", "1"], "letter_not_found");
}

/// The commands that a help names.
fn commands(help: &str) -> Vec<String> {
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
    let list = list.split("\n\n").next().unwrap_or_default();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_about_whoever_gives_it() {
    let admin_key = format!("api.admin_key={ADMIN_KEY}");
    let settings = ["api.auth=keys", &admin_key, "api.key_cache=200ms"];
    let fleet = Fleet::start(Kind::OverServers, &settings).await;
    let given = Mutex::new(BTreeSet::new());
    let desk = |tenant, key| Desk { fleet: &fleet, tenant, key, given: &given };
    let operator = desk("all", ADMIN_KEY.to_owned());
    let mut tenants = Vec::new();
    for tenant in ["acme-oslo", "zebra-lima"] {
        let create = ["keys", "create", "all", "--tenant", tenant, "--scope", "admin"];
        let desk = desk(tenant, operator.ask(&create)["secret"].as_str().unwrap().to_owned());
        let things = set_up(&desk).await;
        tenants.push((desk, things));
    }
    let [(acme, of_acme), (zebra, of_zebra)] = &tenants[..] else { panic!("two tenants") };
    for (desk, things, theirs) in
        [(acme, of_acme, (zebra.tenant, of_zebra)), (zebra, of_zebra, (acme.tenant, of_acme))]
    {
        look(desk, things);
        keep_a_view(desk, &things.dead);
        watch(desk);
        is_kept_out(desk, theirs);
    }
    operate(&operator).await;
    act(acme, of_acme).await;
    tidy_up(acme, of_acme).await;
    // The other one has what it had.
    look(zebra, of_zebra);
    operator.say(&["delete-tenant", "acme-oslo", "--yes"]);
    eventually("its keys are gone with it", PATIENCE, async || {
        acme.give(&["jobs"]).err().filter(|said| said.contains("revoked")).map(drop)
    })
    .await;
    look(zebra, of_zebra);

    let help = |words: &[&str]| panofleet(&fleet, None, &[words, &["--help"]].concat()).unwrap();
    let given = given.lock().unwrap().clone();
    for name in commands(&help(&[])).iter().filter(|name| !LOCAL.contains(&name.as_str())) {
        assert!(given.contains(name), "nobody gave `{name}`");
        for below in commands(&help(&[name])) {
            let name = format!("{name} {below}");
            assert!(given.contains(&name), "nobody gave `{name}`");
        }
    }
}
