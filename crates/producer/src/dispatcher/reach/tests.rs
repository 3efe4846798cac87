//! Who is taken for cut off: by the default policy, a lease of 60 s and a heartbeat every 10 s.

use panofleet_job_schema::message::WorkerInfo;
use panofleet_job_schema::{ClaimId, Lane, Span, WorkerId};
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn east() -> Region {
    Region::new("east").unwrap()
}

/// A worker that was last heard of at this time, and holds something.
fn worker(name: &str, region: &Region, beat_s: i64) -> WorkerRow {
    let worker = WorkerInfo {
        worker: WorkerId::new(name).unwrap(),
        region: region.clone(),
        lanes: Lane::ALL.to_vec(),
        slots: 4,
        lane_slots: BTreeMap::new(),
        version: "1".into(),
        draining: false,
        order_revision: 0,
        started_at: at(0),
    };
    WorkerRow { worker, beat_at: at(beat_s), claims: vec![ClaimId(Uuid::nil())] }
}

/// Workers of one region, by when they were last heard of.
fn heard(beats_s: &[i64]) -> Vec<WorkerRow> {
    let workers = beats_s.iter().enumerate();
    workers.map(|(n, beat_s)| worker(&format!("w{n}"), &east(), *beat_s)).collect()
}

/// The time before which the region's silence means nothing, at a look; 0 if it means something.
fn excused(reach: &mut Reach, workers: &[WorkerRow], now_s: i64) -> i64 {
    let excused = reach.look(&[east()], workers, at(now_s), &Policy::default());
    excused.get(&east()).map_or(0, |at| at.as_millis() / 1000)
}

/// The same, of a leader that has looked every 5 s while workers beat every 10 s until these times.
fn excused_at(last_beats_s: &[i64], now_s: i64) -> i64 {
    let last_until = |now_s: i64, last_s: i64| last_s - (last_s - now_s + 9).max(0) / 10 * 10;
    let mut reach = Reach::default();
    let begun_s = now_s - 1000;
    let looks = (begun_s..now_s).step_by(5).chain([now_s]).map(|now_s| {
        let beats_s: Vec<i64> =
            last_beats_s.iter().map(|last_s| last_until(now_s, *last_s)).collect();
        excused(&mut reach, &heard(&beats_s), now_s)
    });
    looks.last().unwrap()
}

#[test]
fn several_workers_that_fall_silent_together_are_cut_off() {
    assert_eq!(excused_at(&[100, 107], 146), 0, "the next heartbeat may yet come");
    // The first lease ends at 160.
    for now_s in [152, 160, 300, 647] {
        assert_eq!(excused_at(&[100, 107], now_s), now_s);
    }
}

#[test]
fn the_last_leases_end_with_patience() {
    for now_s in [648, 680, 706] {
        assert_eq!(excused_at(&[100, 107], now_s) + 60, 707);
    }
    assert_eq!(excused_at(&[100, 107], 707), 0);
}

#[test]
fn one_worker_that_falls_silent_is_dead() {
    assert_eq!(excused_at(&[100], 160), 0);
    // It died while the other was heard of, or the other was gone for long before.
    assert_eq!(excused_at(&[100, 158], 160), 0);
    assert_eq!(excused_at(&[100, 40], 160), 0);
}

#[test]
fn who_drained_and_left_is_not_silent() {
    let mut workers = heard(&[100, 105]);
    workers[0].worker.draining = true;
    assert_eq!(excused(&mut Reach::default(), &workers, 160), 160, "it holds something");
    workers[0].claims.clear();
    assert_eq!(excused(&mut Reach::default(), &workers, 160), 0);
}

#[test]
fn each_region_is_silent_for_itself() {
    let west = Region::new("west").unwrap();
    let rows = [("e1", east(), 100), ("e2", east(), 101), ("w1", west.clone(), 158)];
    let rows = rows.map(|(name, region, beat_s)| worker(name, &region, beat_s));
    let look = Reach::default().look(&[east(), west.clone()], &rows, at(160), &Policy::default());
    assert_eq!(look, BTreeMap::from([(east(), at(160))]));
    let unreachable =
        rows.each_ref().map(|row| is_unreachable(row, &rows, at(160), &Policy::default()));
    assert_eq!(unreachable, [true, true, false]);
    // One worker in each of two regions: two that died.
    let rows = [worker("e1", &east(), 100), worker("w1", &west, 100)];
    let look = Reach::default().look(&[east(), west], &rows, at(160), &Policy::default());
    assert_eq!(look, BTreeMap::new());
}

#[test]
fn who_was_gone_long_before_is_not_cut_off_with_the_others() {
    let rows = heard(&[10, 100, 101]);
    let unreachable: Vec<bool> =
        rows.iter().map(|row| is_unreachable(row, &rows, at(160), &Policy::default())).collect();
    assert_eq!(unreachable, [false, true, true]);
}

#[test]
fn a_region_that_is_back_has_a_lease_to_speak_in() {
    let mut reach = Reach::default();
    assert_eq!(excused(&mut reach, &heard(&[100, 107]), 108), 0);
    assert_eq!(excused(&mut reach, &heard(&[100, 107]), 200), 200);
    // The first is heard of again; the other's turn comes within a heartbeat.
    assert_eq!(excused(&mut reach, &heard(&[210, 107]), 211), 211);
    assert_eq!(excused(&mut reach, &heard(&[220, 107]), 221), 211, "only that once");
    assert_eq!(excused(&mut reach, &heard(&[340, 107]), 341), 341, "silence that nobody looked at");
}

#[test]
fn heartbeats_that_come_as_they_should_excuse_nobody() {
    let mut reach = Reach::default();
    for tick in 0..60 {
        let now_s = 100 + 10 * tick;
        // The second worker died at 100; the first is one heartbeat late now and then.
        let late_s = if tick % 3 == 0 { 9 } else { 0 };
        assert_eq!(excused(&mut reach, &heard(&[now_s - late_s, 100]), now_s), 0, "{now_s}");
    }
}

/// It cannot know whether the second worker died alone, or the region was cut off and comes back.
#[test]
fn a_new_leader_is_patient_with_a_region_of_which_some_are_silent() {
    let first_look = |beats_s: &[i64]| excused(&mut Reach::default(), &heard(beats_s), 200);
    assert_eq!(first_look(&[198, 110]), 200);
    assert_eq!(first_look(&[198, 193]), 0);
    assert_eq!(first_look(&[198, -459]), 200);
    assert_eq!(first_look(&[198, -460]), 0, "dead for so long that patience would be over");
    assert_eq!(first_look(&[110, 105]), 200, "cut off: as every leader would say");
}

#[test]
fn patience_can_be_switched_off() {
    let policy = Policy { region_patience: Span::from_secs(0), ..Policy::default() };
    let mut reach = Reach::default();
    let mut look =
        |beats_s: &[i64], now_s| reach.look(&[east()], &heard(beats_s), at(now_s), &policy);
    assert_eq!(look(&[198, 110], 200), BTreeMap::new());
    assert_eq!(look(&[198, 193], 260), BTreeMap::new());
    assert_eq!(look(&[300, 193], 301), BTreeMap::new(), "back");
}
