//! What the contract promises, looked at in every step.

use panofleet_job_schema::lifecycle::Reason;

use crate::clock::Lease;
use crate::facts::{Facts, Kind};
use crate::jobs::Jobs;
use crate::steps::{Action, Step};
use crate::world::{BEATS, CLAIMS_MAX, EVENTS, Entry, Hand, SEAL, Said, World};

/// A promise, by what it is called in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    OnlyAReplayLeavesAnEnd,
    /// What stands at a manifest key stays.
    OneManifest,
    SuccessHasItsManifest,
    AnEndWithoutResultIsSealed,
    LimitsHold,
    AttemptNumbersAreUsedOnce,
    OldGenerationsChangeNothing,
    /// No lease lapses under a worker that lives and has spoken.
    LivingLeasesDoNotLapse,
    NotSentAgainBesideALivingClaim,
    /// No timer fires over an event that was in the log in time and would have stopped it.
    NoTimerOverAWaitingEvent,
    NotSentAgainWhileQueued,
    /// A claim that ended by its own word never holds the job again.
    EndedClaimsStayEnded,
    /// A claim that was heard of holds an open job.
    LivingClaimsHold,
    /// The end of a claim never gives a job a further try for nothing.
    NoEndMakesAJobCheaper,
    RecordsCountOnce,
    SuccessCounts,
    WhatNeverStartedIsNotSentAgain,
    OnlyItsHolderStartsAMessage,
    EveryOpenJobHasATimer,
    ControlSaysWhatIsTrue,
    /// From everywhere, without a further fault and without the deadline, an end can be reached.
    EveryJobEnds,
}

type Check = fn(&Look<'_>) -> bool;

/// Every promise that a step can break, and whether a step keeps it.
const PROMISES: [(Promise, Check); 20] = [
    (Promise::OnlyAReplayLeavesAnEnd, only_a_replay_leaves_an_end),
    (Promise::OneManifest, one_manifest),
    (Promise::SuccessHasItsManifest, success_has_its_manifest),
    (Promise::AnEndWithoutResultIsSealed, an_end_without_result_is_sealed),
    (Promise::LimitsHold, |look| look.is.within_limits),
    (Promise::AttemptNumbersAreUsedOnce, attempt_numbers_are_used_once),
    (Promise::OldGenerationsChangeNothing, old_generations_change_nothing),
    (Promise::LivingLeasesDoNotLapse, living_leases_do_not_lapse),
    (Promise::NotSentAgainBesideALivingClaim, not_sent_again_beside_a_living_claim),
    (Promise::NoTimerOverAWaitingEvent, no_timer_over_a_waiting_event),
    (Promise::NotSentAgainWhileQueued, not_sent_again_while_queued),
    (Promise::EndedClaimsStayEnded, |look| look.after.ended & look.is.held == 0),
    (Promise::LivingClaimsHold, living_claims_hold),
    (Promise::NoEndMakesAJobCheaper, no_end_makes_a_job_cheaper),
    (Promise::RecordsCountOnce, records_count_once),
    (Promise::SuccessCounts, success_counts),
    (Promise::WhatNeverStartedIsNotSentAgain, what_never_started_is_not_sent_again),
    (Promise::OnlyItsHolderStartsAMessage, only_its_holder_starts_a_message),
    (Promise::EveryOpenJobHasATimer, |look| look.is.has_timer != look.is.is_terminal()),
    (Promise::ControlSaysWhatIsTrue, control_says_what_is_true),
];

/// A step, and the job before and after it.
struct Look<'a> {
    before: &'a World,
    after: &'a World,
    step: &'a Step,
    was: Facts,
    is: Facts,
}

/// The first promise that a step breaks.
pub(crate) fn broken(jobs: &Jobs, before: &World, step: &Step) -> Option<Promise> {
    let after = &step.after;
    let look = Look { before, after, step, was: jobs.facts(before.job), is: jobs.facts(after.job) };
    PROMISES.into_iter().find(|(_, is_kept)| !is_kept(&look)).map(|(promise, _)| promise)
}

fn in_set(set: u8, claim: u8) -> bool {
    set >> claim & 1 == 1
}

fn claims(set: u8) -> impl Iterator<Item = u8> {
    (1..=CLAIMS_MAX as u8).filter(move |claim| in_set(set, *claim))
}

impl Look<'_> {
    /// The entries that were applied in this step.
    fn applied(&self) -> &[Entry] {
        match self.step.action {
            Action::Applied(partition) => &self.before.log[partition][..1],
            Action::BatchCommitted => &self.before.batch.entries,
            _ => &[],
        }
    }

    /// The one entry that a single step of a collector applied to an open job of its generation.
    fn heard(&self) -> Option<&Entry> {
        let [entry] = self.applied() else { return None };
        let open = !self.was.is_terminal() && entry.id.generation == self.was.generation;
        open.then_some(entry)
    }

    fn lapsed(&self) -> impl Iterator<Item = u8> {
        claims(self.is.lapsed & !self.was.lapsed & self.was.held)
    }

    fn is_timer(&self) -> bool {
        matches!(self.step.action, Action::Ticked | Action::Committed(_))
    }
}

fn only_a_replay_leaves_an_end(look: &Look<'_>) -> bool {
    let stays = look.before.job == look.after.job;
    stays || !look.was.is_terminal() || look.step.action == Action::Replayed
}

fn one_manifest(look: &Look<'_>) -> bool {
    let both = look.before.manifests.iter().zip(&look.after.manifests);
    both.into_iter().all(|(before, after)| *before == 0 || before == after)
}

fn success_has_its_manifest(look: &Look<'_>) -> bool {
    let stands = look.after.manifest(look.is.generation);
    look.is.kind != Kind::Succeeded || stands != 0 && stands == look.is.winner
}

fn an_end_without_result_is_sealed(look: &Look<'_>) -> bool {
    let stands = look.after.manifest(look.is.generation);
    look.is.kind != Kind::Ended || stands == if look.is.possibly_sent { SEAL } else { 0 }
}

fn attempt_numbers_are_used_once(look: &Look<'_>) -> bool {
    let dispatched = look.step.reason == Some(Reason::Dispatched);
    !dispatched || look.is.last_attempt > look.before.highest_attempt
}

fn old_generations_change_nothing(look: &Look<'_>) -> bool {
    let now = look.was.generation;
    let old = match look.step.action {
        Action::SealReported(by) => {
            matches!(look.before.hands[by], Hand::Closed { generation, .. } if generation < now)
        }
        _ => {
            let entries = look.applied();
            !entries.is_empty() && entries.iter().all(|entry| entry.id.generation < now)
        }
    };
    !old || look.before.job == look.after.job
}

fn living_leases_do_not_lapse(look: &Look<'_>) -> bool {
    look.lapsed().all(|claim| {
        let awake =
            matches!(look.before.leases[usize::from(claim)], Lease::Over { asleep: false, .. });
        let lives = look.before.workers.iter().any(|worker| worker.runs(claim) && !worker.frozen);
        !(awake && lives)
    })
}

fn not_sent_again_beside_a_living_claim(look: &Look<'_>) -> bool {
    let goes = look.was.kind == Kind::Running
        && matches!(look.is.kind, Kind::Waiting | Kind::Queued | Kind::Sent | Kind::Closing);
    if !goes || look.applied().is_empty() {
        return true;
    }
    let given_up = look.was.lapsed | look.was.ended;
    !look.before.workers.iter().any(|worker| {
        let claim = worker.id.claim;
        let waits = look.before.log[EVENTS]
            .iter()
            .any(|entry| entry.said == Said::Claimed && entry.id.claim == claim);
        worker.runs(claim)
            && !worker.frozen
            && worker.id.generation == look.was.generation
            && !in_set(given_up, claim)
            && !waits
    })
}

fn no_timer_over_a_waiting_event(look: &Look<'_>) -> bool {
    if !look.is_timer() {
        return true;
    }
    let waiting = |partition: usize, count: usize| {
        let log = &look.before.log[partition];
        log[..count.min(log.len())]
            .iter()
            .filter(|entry| entry.id.generation == look.was.generation)
    };
    let success = |count| waiting(EVENTS, count).any(|entry| entry.said == Said::Succeeded);
    let about = |partition, count, claim| {
        waiting(partition, count)
            .any(|entry| entry.id.claim == claim && entry.said != Said::Claimed)
    };
    let over_lapsed = look.lapsed().any(|claim| match look.before.leases[usize::from(claim)] {
        Lease::Over { events, beats, .. } => {
            about(EVENTS, events.waiting(), claim) || about(BEATS, beats.waiting(), claim)
        }
        _ => false,
    });
    let over_timed_out = claims(look.is.ended & !look.was.ended).any(|claim| {
        let count = look.before.timeouts[usize::from(claim)].waiting();
        success(count) || about(EVENTS, count, claim)
    });
    let over_deadline =
        look.step.reason == Some(Reason::DeadlinePassed) && success(look.before.deadline.waiting());
    let gone = if look.before.gone.is_come() { look.before.gone.waiting() } else { usize::MAX };
    let over_lost = look.step.reason == Some(Reason::MessageLost)
        && waiting(EVENTS, gone).any(|entry| entry.said == Said::Claimed);
    !(over_lapsed || over_timed_out || over_deadline || over_lost)
}

/// The copy that is meant is the one whose place the row knows. A further copy of the same attempt, made when a
/// dispatcher crashed, may still lie in the queue: it is superseded.
fn not_sent_again_while_queued(look: &Look<'_>) -> bool {
    let lost = look.step.reason == Some(Reason::MessageLost);
    let lies = |number: u8| look.before.queue.iter().any(|copy| copy.number == number);
    !lost || !lies(look.before.placed)
}

fn living_claims_hold(look: &Look<'_>) -> bool {
    let Some(entry) = look.heard() else { return true };
    let claim = entry.id.claim;
    let lives = entry.said == Said::Claimed
        || entry.said == Said::Beat && look.before.workers.iter().any(|worker| worker.runs(claim));
    let closing = look.was.kind == Kind::Closing;
    !lives || closing || in_set(look.was.ended, claim) || in_set(look.is.held, claim)
}

fn no_end_makes_a_job_cheaper(look: &Look<'_>) -> bool {
    let ends = look.heard().is_some_and(|entry| entry.said.ends_claim());
    !ends || look.is.at_a_limit || look.is.cost >= look.was.cost
}

fn records_count_once(look: &Look<'_>) -> bool {
    let again = look.step.action == Action::BatchCommitted && look.before.batch.outdated;
    !again || look.before.job == look.after.job
}

fn success_counts(look: &Look<'_>) -> bool {
    look.heard().is_none_or(|entry| entry.said != Said::Succeeded)
        || look.is.kind == Kind::Succeeded
}

fn what_never_started_is_not_sent_again(look: &Look<'_>) -> bool {
    let Some(entry) = look.heard().filter(|entry| entry.said == Said::LetGo) else { return true };
    let newest = entry.id.attempt == look.was.last_attempt;
    let lies = look.before.queue.iter().any(|copy| copy.id.is_of(entry.id));
    let last_claim = look.was.held == 1 << entry.id.claim;
    let back = matches!(look.is.kind, Kind::Sent | Kind::Closing);
    !(newest && lies && last_claim) || back
}

fn only_its_holder_starts_a_message(look: &Look<'_>) -> bool {
    let Action::Started(worker) = look.step.action else { return true };
    let number = look.before.workers[worker].copy;
    look.after.queue.iter().all(|copy| copy.number != number)
}

fn control_says_what_is_true(look: &Look<'_>) -> bool {
    let control = look.after.control;
    let ends = look.is.is_terminal() || look.is.kind == Kind::Closing;
    match control.generation.cmp(&look.is.generation) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal => ends || !control.closed && !control.cancelled,
        std::cmp::Ordering::Greater => false,
    }
}
