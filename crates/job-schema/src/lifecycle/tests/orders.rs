//! Events that come by different ways come in any order. What is promised is not the same job, but the same answer
//! to three questions: has it succeeded, who holds it, and may it go again.
//!
//! What one claim says stays in order, because it goes through one partition. Claims do not wait for each other,
//! and heartbeats come by a partition of their own: before what their claim has said, or long after it has ended.
//! How often the job is charged does depend on the order: two claims that hold it together and both fail are one
//! failed attempt, one after the other they are two.

use proptest::prelude::*;

use super::*;

/// Everything that one claim will ever say.
#[derive(Clone, Debug)]
struct Story {
    /// How it ends, if it does.
    end: Option<Report>,
    heartbeats: usize,
}

/// What does not depend on the order.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Succeeded,
    HeldBy(Vec<ClaimId>),
    Unheld,
}

fn story() -> impl Strategy<Value = Story> {
    let released = |started| Report::Released { started, reason: "r".into() };
    let end = prop_oneof![
        3 => Just(None),
        3 => Just(Some(failure(ErrorClass::Transient))),
        2 => Just(Some(released(true))),
        2 => Just(Some(released(false))),
        2 => Just(Some(Report::Abandoned)),
        1 => Just(Some(success(1))),
    ];
    (end, 0..3_usize).prop_map(|(end, heartbeats)| Story { end, heartbeats })
}

/// Stories, and two ways to tell them: each picks, again and again, whose word is applied next.
fn told_twice() -> impl Strategy<Value = (Vec<Story>, Vec<usize>, Vec<usize>)> {
    let picks = || proptest::collection::vec(0..64_usize, 64);
    (proptest::collection::vec(story(), 1..4), picks(), picks())
}

/// Applies every word of every story, in the order that `picks` says.
fn told(stories: &[Story], picks: &[usize]) -> Outcome {
    let mut life = Life::new().sent(at(1));
    life.job.max_attempts = 50;
    let mut queues: Vec<Vec<Event>> = Vec::new();
    for (story, n) in stories.iter().zip(1..) {
        let mut says = vec![life.said(1, n, Report::Claimed, at(2))];
        says.extend(story.end.iter().map(|end| life.said(1, n, end.clone(), at(3))));
        queues.push(says);
        queues.push((0..story.heartbeats).map(|_| life.beat(1, n, at(4))).collect());
    }
    for pick in picks {
        queues.retain(|queue| !queue.is_empty());
        let Some(which) = pick.checked_rem(queues.len()) else { break };
        let event = queues[which].remove(0);
        if let Ok(decision) = life.try_step(&event) {
            properties::check_invariants(&life.job, &event, &decision);
            life.job = decision.job;
        }
    }
    match life.job.state {
        State::Succeeded { .. } => Outcome::Succeeded,
        State::Running { mut claims, .. } => {
            claims.sort_unstable_by_key(|claim| claim.claim);
            Outcome::HeldBy(claims.into_iter().map(|claim| claim.claim).collect())
        }
        State::Waiting { .. } | State::Queued { .. } | State::Sent { .. } => Outcome::Unheld,
        other => panic!("limits are out of reach, and nobody closes the job: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_order_of_claims_and_partitions_does_not_matter((stories, one, other) in told_twice()) {
        let ended = stories.iter().any(|story| matches!(story.end, Some(Report::Succeeded { .. })));
        let holders: Vec<ClaimId> = (1..)
            .zip(&stories)
            .filter(|(_, story)| story.end.is_none())
            .map(|(n, _)| claim(n))
            .collect();
        let expected = match holders {
            _ if ended => Outcome::Succeeded,
            holders if holders.is_empty() => Outcome::Unheld,
            holders => Outcome::HeldBy(holders),
        };
        for picks in [&one, &other] {
            prop_assert_eq!(&told(&stories, picks), &expected);
        }
    }
}
