//! Queues as the dispatcher would find them, and who goes next in them.

use proptest::prelude::*;

use super::*;

/// A queue of the tests: what each tenant has in each band, and the share that is kept from turn to turn.
#[derive(Clone, Debug, Default)]
struct Queue {
    share: FairShare,
    weights: BTreeMap<Tenant, u32>,
    /// What a tenant may have more, if that has a limit.
    left: BTreeMap<Tenant, u32>,
    queued: BTreeMap<(u8, Tenant), Vec<Waiting>>,
    /// Turns that looked at names and gave nobody.
    empty_turns: usize,
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(name).unwrap()
}

fn numbered(number: usize) -> Tenant {
    tenant(&format!("t{number:05}"))
}

const FRESH: Waiting = Waiting { deadline_at: Timestamp::from_millis(0), lifts: 0 };

impl Queue {
    fn with(mut self, name: &str, band: u8, jobs: usize) -> Self {
        self.put(&tenant(name), band, &vec![FRESH; jobs]);
        self
    }

    fn put(&mut self, tenant: &Tenant, band: u8, jobs: &[Waiting]) {
        self.queued.entry((band, tenant.clone())).or_default().extend(jobs);
    }

    fn weighing(mut self, name: &str, weight: u32) -> Self {
        self.weights.insert(tenant(name), weight);
        self
    }

    fn is_empty(&self) -> bool {
        self.queued.values().all(Vec::is_empty)
    }

    /// The lines that a database would give, each at most `depth` jobs long.
    fn lines(&self, depth: usize) -> Vec<Line> {
        let mut shown = [0; 3];
        let mut lines = Vec::new();
        for ((band, tenant), jobs) in self.queued.iter().filter(|(_, jobs)| !jobs.is_empty()) {
            let place = usize::from(*band);
            let is_behind = self.share.after()[place].as_ref().is_none_or(|after| tenant > after);
            if is_behind && shown[place] < TENANTS_MAX {
                shown[place] += 1;
                let known = jobs.len().min(depth);
                lines.push(Line {
                    tenant: tenant.clone(),
                    weight: self.weights.get(tenant).copied().unwrap_or(1),
                    left: self.left.get(tenant).copied().unwrap_or(u32::MAX),
                    band: *band,
                    jobs: jobs[..known].to_vec(),
                    beyond: if known < jobs.len() { Beyond::Unknown } else { Beyond::Nothing },
                });
            }
        }
        lines
    }

    /// One turn: who goes, and from which band.
    fn turn(&mut self, depth: usize, room: u32) -> Vec<(Tenant, u8)> {
        let lines = self.lines(depth);
        let chosen = self.share.choose(&lines, room);
        assert!(chosen.len() <= room as usize);
        for clock in &self.share.clocks {
            assert!(clock.had.len() <= REMEMBERED_MAX, "memory has a bound");
        }
        self.empty_turns = if chosen.is_empty() { self.empty_turns + 1 } else { 0 };
        let gone = chosen.into_iter().map(|index| {
            let Line { tenant, band, .. } = &lines[index];
            let jobs = self.queued.get_mut(&(*band, tenant.clone())).unwrap();
            assert!(!jobs.is_empty(), "a job goes once");
            jobs.remove(0);
            if let Some(left) = self.left.get_mut(tenant) {
                *left = left.checked_sub(1).expect("nobody has more than its limit");
            }
            (tenant.clone(), *band)
        });
        gone.collect()
    }

    /// Turns until so many have gone, or nobody is left.
    fn run(&mut self, depth: usize, room: u32, jobs: usize) -> Vec<(Tenant, u8)> {
        let mut gone = Vec::new();
        while gone.len() < jobs && !self.is_empty() {
            gone.extend(self.turn(depth, room));
            assert!(self.empty_turns < 400, "somebody waits and nobody goes");
        }
        gone
    }
}

fn names(gone: &[(Tenant, u8)]) -> Vec<&str> {
    gone.iter().map(|(tenant, _)| tenant.as_str()).collect()
}

fn jobs_of(gone: &[(Tenant, u8)], who: &Tenant) -> usize {
    gone.iter().filter(|(tenant, _)| tenant == who).count()
}

#[test]
fn weights_share_out_the_room() {
    let queue = || Queue::default().with("a", 1, 100).with("b", 1, 100);
    let check = |mut queue: Queue, expected: [&str; 8]| {
        assert_eq!(names(&queue.run(9, 1, 8)), expected);
    };
    check(queue(), ["a", "b", "a", "b", "a", "b", "a", "b"]);
    check(queue().weighing("a", 3), ["a", "b", "a", "a", "a", "b", "a", "a"]);
    check(queue().weighing("b", 3), ["a", "b", "b", "b", "a", "b", "b", "b"]);
}

#[test]
fn in_a_line_the_order_is_kept_and_bands_hold() {
    let mut queue = Queue::default().with("a", 2, 2).with("b", 1, 2).with("c", 0, 1);
    let gone = queue.run(9, 9, 9);
    assert_eq!(names(&gone), ["c", "b", "b", "a", "a"]);
    assert_eq!(gone.iter().map(|(_, band)| *band).collect::<Vec<_>>(), [0, 1, 1, 2, 2]);
}

#[test]
fn who_has_waited_counts_as_more_urgent() {
    let aged = |lifts| Waiting { lifts, ..FRESH };
    let check = |lifts, expected: [&str; 6]| {
        let mut queue = Queue::default().with("normal", 1, 3).with("high", 0, 2);
        queue.put(&tenant("low"), 2, &[aged(lifts)]);
        assert_eq!(names(&queue.run(9, 1, 9)), expected, "lifted by {lifts}");
    };
    check(0, ["high", "high", "normal", "normal", "normal", "low"]);
    check(1, ["high", "high", "low", "normal", "normal", "normal"]);
    check(2, ["high", "low", "high", "normal", "normal", "normal"]);
    check(255, ["high", "low", "high", "normal", "normal", "normal"]);
}

#[test]
fn a_lifted_line_shares_with_the_band_it_counts_in() {
    let mut queue = Queue::default().with("a", 1, 100).with("b", 1, 100);
    queue.put(&tenant("c"), 2, &vec![Waiting { lifts: 1, ..FRESH }; 100]);
    let gone = queue.run(9, 7, 30);
    for who in ["a", "b", "c"] {
        assert!((10..=12).contains(&jobs_of(&gone, &tenant(who))), "{who}: {:?}", names(&gone));
    }
    // A tenant with two lines in a band has one share.
    let mut queue = Queue::default().with("a", 1, 100).with("b", 1, 100);
    queue.put(&tenant("a"), 2, &vec![Waiting { lifts: 1, ..FRESH }; 100]);
    assert_eq!(names(&queue.run(9, 1, 6)), ["a", "b", "a", "b", "a", "b"]);
}

#[test]
fn nobody_behind_a_line_that_is_not_known_goes_before_it() {
    let mut queue = Queue::default().with("a", 0, 5).with("b", 1, 5);
    assert_eq!(names(&queue.turn(2, 9)), ["a", "a"]);
    assert_eq!(names(&queue.turn(3, 9)), ["a", "a", "a", "b", "b", "b"]);
}

#[test]
fn an_idle_tenant_saves_nothing_and_goes_at_once() {
    let mut queue = Queue::default().with("a", 1, 1000).with("b", 1, 1);
    queue.run(9, 1, 500);
    queue.put(&tenant("b"), 1, &[FRESH; 100]);
    let gone = queue.run(9, 1, 20);
    assert!(names(&gone)[..2].contains(&"b"), "{:?}", names(&gone));
    assert!((9..=11).contains(&jobs_of(&gone, &tenant("b"))), "{:?}", names(&gone));
}

#[test]
fn ten_thousand_tenants_each_get_their_round() {
    const TENANTS: usize = 10_000;
    let mut queue = Queue::default().weighing("t00070", 5);
    for number in 0..TENANTS {
        queue.put(&numbered(number), 1, &[FRESH; 20]);
    }
    let gone = queue.run(256, 256, 3 * TENANTS);
    for number in 0..TENANTS {
        let jobs = jobs_of(&gone[..2 * TENANTS], &numbered(number));
        let weight = if number == 70 { 5 } else { 1 };
        assert!((weight..=3 * weight).contains(&jobs), "{number}: {jobs}");
    }
}

/// Those who are looked at and may not go, as the band above takes all the room, hide nobody who has waited longer.
#[test]
fn an_aged_job_is_found_among_any_number_of_young_ones() {
    let mut queue = Queue::default().with("flood", 1, 10_000);
    for number in 0..1000 {
        queue.put(&numbered(number), 2, &[FRESH]);
    }
    queue.put(&numbered(777), 2, &[FRESH; 0]);
    queue.queued.insert((2, numbered(777)), vec![Waiting { lifts: 1, ..FRESH }]);
    let gone = queue.run(9, 4, 200);
    assert_eq!(jobs_of(&gone, &numbered(777)), 1);
    assert_eq!(jobs_of(&gone, &tenant("flood")), gone.len() - 1);
}

#[test]
fn a_window_moves_on_when_those_in_it_have_left() {
    let mut queue = Queue::default();
    for number in 0..200 {
        queue.put(&numbered(number), 1, &[FRESH; 2]);
    }
    queue.run(9, 32, 96);
    queue.queued.retain(|(_, tenant), _| *tenant < numbered(40));
    let left: usize = queue.queued.values().map(Vec::len).sum();
    assert_eq!(queue.run(9, 32, left).len(), left);
}

#[test]
fn a_limit_holds_over_all_lines_of_a_tenant_and_leaves_the_room_to_others() {
    for room in [1, 20] {
        let mut queue = Queue::default().with("a", 0, 4).with("a", 1, 4).with("b", 2, 3);
        queue.left.insert(tenant("a"), 5);
        let gone = queue.run(9, room, 8);
        assert_eq!(names(&gone), ["a", "a", "a", "a", "a", "b", "b", "b"], "room {room}");
        assert!(queue.turn(9, room).is_empty(), "a has its limit");
        queue.left.insert(tenant("a"), 1);
        assert_eq!(names(&queue.turn(9, room)), ["a"]);
    }
}

/// A band whose every tenant has its limit, more of them than a window shows, does not stop the bands behind it.
#[test]
fn tenants_at_their_limit_hold_up_nobody() {
    let mut queue = Queue::default().with("free", 2, 50);
    for number in 0..5 * TENANTS_MAX {
        queue.put(&numbered(number), 1, &[FRESH]);
        queue.left.insert(numbered(number), 0);
    }
    assert_eq!(names(&queue.run(9, 4, 8)), ["free"; 8]);
    let lucky = numbered(3 * TENANTS_MAX);
    queue.left.insert(lucky.clone(), 1);
    let gone = queue.run(9, 4, 42);
    assert_eq!(jobs_of(&gone, &lucky), 1);
    assert_eq!(jobs_of(&gone, &tenant("free")), gone.len() - 1);
}

prop_compose! {
    fn weights()(weights in prop::collection::vec(1_u32..20, 2..8)) -> Vec<u32> { weights }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of tenants that all wait, none is ever more than one job (of its weight) ahead of another, at any time.
    #[test]
    fn shares_are_fair_at_any_time(weights in weights(), room in 1_u32..40, depth in 1_usize..40) {
        let mut queue = Queue::default();
        for (number, weight) in weights.iter().enumerate() {
            queue.put(&numbered(number), 1, &[FRESH; 600]);
            queue.weights.insert(numbered(number), *weight);
        }
        let gone = queue.run(depth, room, 500);
        let mut had = vec![0_u32; weights.len()];
        for (tenant, _) in &gone {
            let number = (0..weights.len()).find(|number| numbered(*number) == *tenant).unwrap();
            had[number] += 1;
            for (a, b) in (0..weights.len()).flat_map(|a| (0..weights.len()).map(move |b| (a, b))) {
                let share = |n: usize| f64::from(had[n]) / f64::from(weights[n]);
                let bound = 1.0 / f64::from(weights[a]) + 1.0 / f64::from(weights[b]);
                prop_assert!(share(a) - share(b) <= bound + 1e-6, "{had:?} of {weights:?}");
            }
        }
    }

    /// However much one tenant has sent, another's next job waits for at most one of each other tenant at equal weights.
    #[test]
    fn a_flood_delays_the_next_job_of_another_by_one_round(
        before in 0_usize..300,
        others in 1_usize..60,
        room in 1_u32..40,
    ) {
        let mut queue = Queue::default().with("flood", 1, 100_000);
        for number in 0..others {
            queue.put(&numbered(number), 1, &[FRESH; 500]);
        }
        queue.run(40, room, before);
        queue.put(&tenant("zoe"), 1, &[FRESH]);
        let gone = queue.run(40, 1, others + 2);
        prop_assert!(names(&gone).contains(&"zoe"), "{:?}", names(&gone));
    }

    /// Everybody goes, once, whatever the turns are like; and no band before a better one that is known.
    #[test]
    fn every_job_goes_once_and_bands_hold(
        lines in prop::collection::btree_map((0_u8..3, 0_usize..300), 1_usize..6, 1..250),
        room in 1_u32..40,
        depth in 1_usize..5,
    ) {
        let mut queue = Queue::default();
        for ((band, number), jobs) in &lines {
            queue.put(&numbered(*number), *band, &vec![FRESH; *jobs]);
        }
        let all: usize = lines.values().sum();
        let mut gone = Vec::new();
        while !queue.is_empty() {
            let turn = queue.turn(depth, room);
            prop_assert!(turn.is_sorted_by_key(|(_, band)| *band), "in a turn, bands hold");
            if let Some((_, worst)) = turn.last() {
                let mut better = queue.queued.iter().filter(|((band, _), _)| band < worst);
                prop_assert!(better.all(|(_, jobs)| jobs.is_empty()), "of a better band, nobody is left");
            }
            gone.extend(turn);
            prop_assert!(queue.empty_turns < 100);
        }
        prop_assert_eq!(gone.len(), all);
    }
}
