//! Attempts that came to nothing: each number is held to a count of what the test wrote itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use panofleet_job_schema::{Attempt, Failure, Job, Tenant};
use panofleet_jobs_db::{
    Batch, HeartbeatWrite, HistoryEntry, JobWrite, JobsDb, RefusedResult, SETBACKS_READ_MAX,
    SetbackFilter, SetbackGroup, SetbackKey, SetbackKind,
};

use crate::fixture::{
    Fixture, accept, at, entry, get, job, region, sent, tenant, to_state, worker,
};
use crate::workers::info;

/// One line of a history that ends an attempt, as the test remembers it.
#[derive(Clone, Debug)]
struct Told {
    job: u128,
    tenant: &'static str,
    region: &'static str,
    kind: SetbackKind,
    code: Option<&'static str>,
    attempt: u32,
    worker: &'static str,
    seconds: i64,
    held_ms: u64,
}

impl Told {
    fn failure(&self) -> Option<Failure> {
        self.code.map(|code| Failure::transient(code, format!("it was {code}")))
    }

    fn line(&self) -> HistoryEntry {
        HistoryEntry {
            at: at(self.seconds),
            attempt: Some(self.attempt),
            worker: Some(worker(self.worker)),
            code: self.code.map(str::to_owned),
            failure: self.failure().as_ref().map(Failure::fingerprint),
            held_ms: Some(self.held_ms),
            ..entry("queued", self.kind.reason())
        }
    }

    fn key(&self, by: SetbackKey) -> Option<String> {
        Some(match by {
            SetbackKey::Cause => self.code.unwrap_or(self.kind.reason()).to_owned(),
            SetbackKey::Failure => self.failure()?.fingerprint(),
            SetbackKey::Worker => self.worker.to_owned(),
            SetbackKey::Region => self.region.to_owned(),
            // w1 began at 0 and has said so; nobody has heard of the others.
            SetbackKey::Version if self.worker == "w1" => "0.1.0".to_owned(),
            SetbackKey::Version => String::new(),
            SetbackKey::Attempt => self.attempt.to_string(),
        })
    }
}

/// Forty attempts of ten jobs of two tenants.
fn all_told() -> Vec<Told> {
    let one = |number: u64| Told {
        job: u128::from(number % 10) + 1,
        // As the jobs' numbers go.
        tenant: if number.is_multiple_of(2) { "acme" } else { "other" },
        region: if number.is_multiple_of(3) { "us-west" } else { "hangzhou" },
        kind: SetbackKind::ALL[(number % 5) as usize],
        code: (number.is_multiple_of(5))
            .then_some(["store_away", "memory_limit"][(number % 2) as usize]),
        attempt: (number / 10) as u32 + 1,
        worker: ["w1", "w2", "w3"][(number % 3) as usize],
        seconds: 100 + 10 * number as i64,
        held_ms: 1000 + 37 * number,
    };
    (0..40).map(one).collect()
}

async fn write(db: &dyn JobsDb, told: &Told, with_each: bool) {
    let found = get(db, job(told.job).id).await;
    let move_on = to_state(found, sent(told.attempt));
    let job = Job { region: region(told.region), ..move_on.job.clone() };
    let other = entry("sent", "dispatched");
    let write = JobWrite { job, history: vec![told.line(), other], ..move_on };
    if with_each {
        assert_eq!(db.write_each(&[write]).await.unwrap().len(), 1);
    } else {
        db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    }
}

async fn fill(db: &dyn JobsDb) -> Vec<Told> {
    let beat =
        HeartbeatWrite { worker: info("w1", 0), claims: vec![], progress: vec![], at: at(1) };
    db.commit(Batch { heartbeats: vec![beat], ..Batch::default() }).await.unwrap();
    for number in 1..=10 {
        let tenant = tenant(if number % 2 == 1 { "acme" } else { "other" });
        accept(db, &Job { tenant, ..job(number) }).await;
    }
    let told = all_told();
    for (place, told) in told.iter().enumerate() {
        write(db, told, place % 2 == 1).await;
    }
    told
}

/// What the groups have to be, by hand.
fn expected(told: &[Told], filter: &SetbackFilter, by: SetbackKey) -> Vec<SetbackGroup> {
    let mut groups: BTreeMap<String, (SetbackGroup, BTreeSet<u128>)> = BTreeMap::new();
    for told in told {
        let matches = filter.tenant.as_ref().is_none_or(|tenant| tenant.as_str() == told.tenant)
            && filter.kinds.contains(&told.kind)
            && at(told.seconds) >= filter.since
            && filter.until.is_none_or(|until| at(told.seconds) < until);
        let Some(key) = told.key(by).filter(|_| matches) else { continue };
        let cause = told.code.unwrap_or(told.kind.reason()).to_owned();
        let (group, jobs) = groups.entry(key.clone()).or_insert_with(|| {
            let (first_at, last_at) = (at(told.seconds), at(told.seconds));
            let (lost, cause) = (Duration::ZERO, cause.clone());
            (
                SetbackGroup { key, attempts: 0, jobs: 0, lost, first_at, last_at, cause },
                BTreeSet::new(),
            )
        });
        jobs.insert(told.job);
        group.attempts += 1;
        group.jobs = jobs.len() as u64;
        group.lost += Duration::from_millis(told.held_ms);
        group.last_at = at(told.seconds);
        group.cause = group.cause.clone().max(cause);
    }
    let mut groups: Vec<SetbackGroup> = groups.into_values().map(|(group, _)| group).collect();
    groups.sort_by_key(|group| {
        let most = if by == SetbackKey::Cause {
            group.lost.as_millis()
        } else {
            u128::from(group.attempts)
        };
        (std::cmp::Reverse(most), group.key.clone())
    });
    groups
}

fn since(seconds: i64, tenant: Option<Tenant>) -> SetbackFilter {
    SetbackFilter { tenant, kinds: &SetbackKind::ALL, since: at(seconds), until: None }
}

pub(crate) async fn setbacks_are_grouped_by_what_they_share(fixture: &mut dyn Fixture) {
    let told = fill(&*fixture.db()).await;
    fixture.crash().await;
    let db = fixture.db();
    let filters = [
        since(0, None),
        since(0, Some(tenant("acme"))),
        since(250, Some(tenant("other"))),
        SetbackFilter { kinds: &[SetbackKind::Failed, SetbackKind::TimedOut], ..since(0, None) },
        SetbackFilter { until: Some(at(310)), ..since(150, None) },
        since(10_000, None),
        since(0, Some(tenant("nobody"))),
    ];
    for filter in &filters {
        for by in [
            SetbackKey::Cause,
            SetbackKey::Failure,
            SetbackKey::Worker,
            SetbackKey::Region,
            SetbackKey::Version,
            SetbackKey::Attempt,
        ] {
            let report = db.setbacks(filter, by, 100).await.unwrap();
            let groups = expected(&told, filter, by);
            assert_eq!(report.groups, groups, "{by:?}, {filter:?}");
            assert_eq!(report.since, filter.since, "all of them were looked at");
            let first = db.setbacks(filter, by, 1).await.unwrap().groups;
            assert_eq!(first, groups.get(..1).unwrap_or_default());
        }
    }
    assert!(told.len() < SETBACKS_READ_MAX as usize);
}

pub(crate) async fn refused_results_are_told_apart_from_setbacks(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let told = fill(&*db).await;
    let refused = |seconds: i64, number: u128, of: &str, why: &'static str| RefusedResult {
        at: at(seconds),
        job: job(number).id,
        tenant: tenant(of),
        region: region("hangzhou"),
        worker: worker("w1"),
        attempt: Attempt(2),
        why,
    };
    let refusals = vec![
        refused(300, 1, "acme", "ended_claim"),
        refused(310, 1, "acme", "ended_claim"),
        refused(320, 2, "other", "stale_generation"),
    ];
    db.commit(Batch { refusals, ..Batch::default() }).await.unwrap();
    let of = |whose: Option<&str>| SetbackFilter {
        kinds: &[SetbackKind::Refused],
        ..since(0, whose.map(tenant))
    };
    let causes = async |filter: &SetbackFilter| -> Vec<(String, u64, u64)> {
        let report = db.setbacks(filter, SetbackKey::Cause, 9).await.unwrap();
        report.groups.into_iter().map(|it| (it.key, it.attempts, it.jobs)).collect()
    };
    let (ended, stale) = (("ended_claim".to_owned(), 2, 1), ("stale_generation".to_owned(), 1, 1));
    assert_eq!(causes(&of(None)).await, [ended.clone(), stale]);
    assert_eq!(causes(&of(Some("acme"))).await, [ended]);
    let all = since(0, None);
    let report = db.setbacks(&all, SetbackKey::Cause, 100).await.unwrap();
    assert_eq!(report.groups, expected(&told, &all, SetbackKey::Cause), "they took nothing");
}

pub(crate) async fn a_trend_counts_setbacks_by_fingerprint_and_hour(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let told = fill(&*db).await;
    let step = Duration::from_secs(60);
    let fingerprint = |code: &str| Failure::transient(code, format!("it was {code}")).fingerprint();
    let asked = [fingerprint("store_away"), fingerprint("memory_limit"), "unknown".to_owned()];
    for tenant in [None, Some(tenant("other"))] {
        let filter = since(200, tenant);
        let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for told in &told {
            let ours = filter.tenant.as_ref().is_none_or(|tenant| tenant.as_str() == told.tenant);
            let Some(failure) = told.failure().filter(|_| ours && told.seconds >= 200) else {
                continue;
            };
            let step = ((told.seconds - 200) / 60) as usize;
            counts.entry(failure.fingerprint()).or_insert_with(|| vec![0; 6])[step] += 1;
        }
        assert!(!counts.is_empty());
        assert_eq!(db.setback_trend(&filter, &asked, (step, 6)).await.unwrap(), counts);
        let none: &[String] = &[];
        assert!(db.setback_trend(&filter, none, (step, 6)).await.unwrap().is_empty());
    }
}

pub(crate) async fn a_refused_write_leaves_no_setback(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    let told = &all_told()[0];
    let found = get(&*db, job(1).id).await;
    write(&*db, told, false).await;
    for with_each in [false, true] {
        let late = JobWrite { history: vec![told.line()], ..to_state(found.clone(), sent(1)) };
        if with_each {
            assert!(db.write_each(&[late]).await.unwrap().is_empty());
        } else {
            db.commit(Batch { jobs: vec![late], ..Batch::default() }).await.unwrap_err();
        }
    }
    let report = db.setbacks(&since(0, None), SetbackKey::Region, 9).await.unwrap();
    assert_eq!(report.groups.iter().map(|group| group.attempts).sum::<u64>(), 1);
    // What there is of it goes with the job.
    let version = get(&*db, job(1).id).await.version;
    assert!(db.remove_job(job(1).id, version, at(900)).await.unwrap());
    let report = db.setbacks(&since(0, None), SetbackKey::Region, 9).await.unwrap();
    assert!(report.groups.is_empty(), "{report:?}");
}

/// A worker's words may be anything.
pub(crate) async fn a_code_may_be_any_text(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    let found = get(&*db, job(1).id).await;
    let told = &all_told()[0];
    let line = HistoryEntry { code: Some(format!("a\0b{}", "全".repeat(200))), ..told.line() };
    let write = JobWrite { history: vec![line], ..to_state(found, sent(1)) };
    db.commit(Batch { jobs: vec![write], ..Batch::default() }).await.unwrap();
    let report = db.setbacks(&since(0, None), SetbackKey::Cause, 9).await.unwrap();
    assert_eq!(report.groups[0].key, format!("a\u{fffd}b{}", "全".repeat(97)));
}

pub(crate) async fn old_setbacks_are_forgotten_a_few_at_a_time(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    let told = fill(&*db).await;
    let before = at(250);
    let old = told.iter().filter(|told| at(told.seconds) < before).count() as u64;
    assert_eq!(db.remove_setbacks(before, 10).await.unwrap(), 10);
    assert_eq!(db.remove_setbacks(before, 1000).await.unwrap(), old - 10);
    assert_eq!(db.remove_setbacks(before, 1000).await.unwrap(), 0);
    let left = db.setbacks(&since(0, None), SetbackKey::Region, 9).await.unwrap();
    let left: u64 = left.groups.iter().map(|group| group.attempts).sum();
    assert_eq!(left, told.len() as u64 - old);
}

/// A life that began after the claim was made is another one: what it runs says nothing.
pub(crate) async fn a_version_is_of_the_life_that_held_the_job(fixture: &mut dyn Fixture) {
    let db = fixture.db();
    accept(&*db, &job(1)).await;
    accept(&*db, &job(2)).await;
    let beat = |began: i64| HeartbeatWrite {
        worker: info("w1", began),
        claims: vec![],
        progress: vec![],
        at: at(began),
    };
    let told = Told { worker: "w1", seconds: 60, held_ms: 20_000, ..all_told()[0].clone() };
    for (number, began) in [(1, 40), (2, 41)] {
        db.commit(Batch { heartbeats: vec![beat(began)], ..Batch::default() }).await.unwrap();
        write(&*db, &Told { job: number, ..told.clone() }, false).await;
    }
    let by_version = db.setbacks(&since(0, None), SetbackKey::Version, 9).await.unwrap().groups;
    let keys: Vec<(&str, u64)> =
        by_version.iter().map(|group| (group.key.as_str(), group.attempts)).collect();
    assert_eq!(keys, [("", 1), ("0.1.0", 1)]);
}
