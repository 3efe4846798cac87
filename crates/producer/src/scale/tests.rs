//! How many workers are wanted, by tables and over random loads.

use std::collections::BTreeMap;

use panofleet_job_schema::message::WorkerInfo;
use panofleet_job_schema::order::WorkerOrder;
use panofleet_job_schema::{ClaimId, Region};
use panofleet_jobs_db::PauseTarget;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const CONFIG: ScaleConfig =
    ScaleConfig { target_wait: Span::from_secs(60), workers_min: 0, workers_max: 10, slots: 4 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1000)
}

fn queue() -> Queue {
    Queue { region: Region::new("hangzhou").unwrap(), lane: Lane::Image }
}

#[test]
fn what_is_wanted() {
    let waits =
        |queued, seconds| Load { queued, oldest: Duration::from_secs(seconds), ..Load::default() };
    let spread = |running, busy| Load {
        running,
        workers: 10,
        workers_busy: busy,
        slots: 40,
        slots_busy: busy,
        slots_each: Some(4),
        ..Load::default()
    };
    for (what, load, wanted) in [
        ("nothing to do", Load::default(), 0),
        ("a job that has just come", waits(1, 0), 1),
        ("a hundred that have just come", waits(100, 0), 1),
        ("half the target: half of them", waits(16, 30), 2),
        ("the target: all of them", waits(16, 60), 4),
        ("long past it: all of them", waits(16, 6000), 4),
        ("more than may be", waits(1_000_000, 60), 10),
        ("more than can be counted", waits(u64::MAX / 2, 60), 10),
        ("packed", spread(8, 2), 2),
        ("spread thin: nobody busy goes", spread(8, 8), 8),
        ("more are busy than may be", spread(48, 12), 12),
        (
            "running in two, others wait",
            Load { queued: 8, oldest: Duration::from_secs(60), ..spread(8, 2) },
            4,
        ),
        (
            "sent counts as waiting",
            Load { sent: 8, oldest: Duration::from_secs(60), ..Load::default() },
            2,
        ),
        ("behind a pause", Load { paused: true, ..waits(100, 0) }, 0),
        ("sent before the pause", Load { paused: true, sent: 1, ..waits(100, 1) }, 1),
        ("workers that end take their jobs along", Load { drained_claims: 8, ..spread(8, 0) }, 0),
        (
            "a worker that was told to drain",
            Load { set_aside: 1, drained_claims: 4, ..spread(8, 1) },
            2,
        ),
        ("small workers", Load { slots_each: Some(1), ..waits(5, 60) }, 5),
    ] {
        assert_eq!(load.desired(&CONFIG), wanted, "{what}: {load:?}");
    }
    let kept = ScaleConfig { workers_min: 3, ..CONFIG };
    assert_eq!(Load::default().desired(&kept), 3);
}

#[test]
fn bounds_that_cannot_work_are_named() {
    CONFIG.check().unwrap();
    ScaleConfig::default().check().unwrap();
    for (bad, named) in [
        (ScaleConfig { target_wait: Span::from_secs(0), ..CONFIG }, "target_wait"),
        (ScaleConfig { workers_max: 0, ..CONFIG }, "workers_max"),
        (ScaleConfig { workers_min: 11, ..CONFIG }, "workers_min"),
        (ScaleConfig { slots: 0, ..CONFIG }, "slots"),
    ] {
        let said = bad.check().unwrap_err().to_string();
        assert!(said.starts_with(named), "{said}");
    }
}

proptest! {
    #[test]
    fn no_busy_worker_is_asked_to_go_and_more_work_never_wants_fewer(
        (queued, sent, running, seconds) in (0_u64..5000, 0_u64..100, 0_u64..500, 0_u64..200),
        (busy, each, aside) in (0_u32..40, 1_u32..16, 0_u32..3),
        (paused, min, max) in (any::<bool>(), 0_u32..5, 5_u32..30),
    ) {
        let config = ScaleConfig { workers_min: min, workers_max: max, ..CONFIG };
        let load = Load {
            queued, sent, running, paused,
            oldest: Duration::from_secs(seconds),
            workers_busy: busy,
            slots_each: Some(each),
            set_aside: aside,
            ..Load::default()
        };
        let wanted = load.desired(&config);
        prop_assert!(wanted >= busy + aside);
        prop_assert!(wanted >= min);
        prop_assert!(wanted <= max.max(busy) + aside);
        for more in [
            Load { queued: queued + 1, ..load.clone() },
            Load { sent: sent + 1, ..load.clone() },
            Load { running: running + 1, ..load.clone() },
            Load { oldest: Duration::from_secs(seconds + 1), ..load },
        ] {
            prop_assert!(more.desired(&config) >= wanted, "{more:?}");
        }
    }
}

/// A worker with four slots for pictures and one for videos that was heard of then, and holds so many claims.
fn worker(name: &str, beat: i64, claims: usize) -> WorkerRow {
    WorkerRow {
        worker: WorkerInfo {
            worker: WorkerId::new(name).unwrap(),
            region: queue().region,
            lanes: Lane::ALL.to_vec(),
            slots: 5,
            lane_slots: BTreeMap::from([(Lane::Image, 4), (Lane::Video, 1)]),
            version: "1".into(),
            draining: false,
            order_revision: 0,
            started_at: at(0),
        },
        beat_at: at(beat),
        claims: (0..claims).map(|_| ClaimId(Uuid::from_u128(1))).collect(),
    }
}

#[test]
fn a_load_is_read_off_rows() {
    let policy = Policy::default();
    let row = |state, jobs, accepted| Backlog {
        region: queue().region,
        lane: Lane::Image,
        state,
        jobs,
        oldest_accepted_at: at(accepted),
    };
    let elsewhere = Backlog { region: Region::new("us-west").unwrap(), ..row("queued", 99, 0) };
    let backlog = vec![
        row("queued", 7, 990),
        row("sent", 2, 985),
        row("running", 5, 100),
        row("waiting", 3, 0),
        elsewhere,
    ];
    let mut ends = worker("ends", 999, 2);
    ends.worker.draining = true;
    let mut far = worker("far", 999, 1);
    far.worker.region = Region::new("us-west").unwrap();
    let workers = vec![
        worker("busy", 999, 3),
        worker("idle", 998, 0),
        worker("gone", 100, 1),
        worker("told", 999, 0),
        ends,
        far,
    ];
    let told = WorkerOrder {
        revision: 1,
        draining: true,
        ..WorkerOrder::none(WorkerId::new("told").unwrap())
    };
    let orders = vec![OrderRow { order: told, since: at(0), reason: String::new() }];
    let readings =
        Readings::of(at(1000), backlog.clone(), (workers.clone(), orders.clone()), vec![]);
    let expected = Load {
        queued: 7,
        sent: 2,
        running: 5,
        oldest: Duration::from_secs(15),
        workers: 2,
        workers_busy: 1,
        slots: 8,
        slots_busy: 3,
        slots_each: Some(4),
        drained_claims: 2,
        set_aside: 1,
        paused: false,
    };
    assert_eq!(readings.load(&queue(), &policy), expected);

    let lane = PauseTarget::Lane(queue().region, Lane::Image);
    let pause = Pause { target: lane, since: at(0), reason: String::new() };
    let readings = Readings::of(at(1000), backlog, (workers, orders), vec![pause]);
    assert_eq!(readings.load(&queue(), &policy), Load { paused: true, ..expected });
}

fn two_pictures_run() -> Vec<Backlog> {
    let (region, lane) = (queue().region, Lane::Image);
    vec![Backlog { region, lane, state: "running", jobs: 2, oldest_accepted_at: at(990) }]
}

/// Pictures run, and the slot for videos is free.
#[test]
fn a_slot_of_another_lane_is_not_busy() {
    let workers = vec![worker("both", 999, 2)];
    let readings = Readings::of(at(1000), two_pictures_run(), (workers, vec![]), vec![]);
    let policy = Policy::default();
    let load = |lane| readings.load(&Queue { lane, ..queue() }, &policy);
    let busy = |lane| (load(lane).slots_busy, load(lane).workers_busy);
    assert_eq!((busy(Lane::Image), busy(Lane::Video)), ((2, 1), (0, 0)));
    assert_eq!(load(Lane::Video).desired(&ScaleConfig::default()), 0, "no video keeps it");
}

#[test]
fn workers_that_are_cut_off_are_still_there() {
    let policy = Policy::default();
    let silent = 1000 - i64::try_from(policy.lease.0.as_secs()).unwrap() - 5;
    let workers = vec![worker("a", silent, 2), worker("b", silent, 0)];
    let readings = Readings::of(at(1000), two_pictures_run(), (workers, vec![]), vec![]);
    let load = readings.load(&queue(), &policy);
    assert_eq!((load.workers, load.workers_busy), (2, 1));
}
