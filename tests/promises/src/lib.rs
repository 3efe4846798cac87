//! What the contract of delivery promises, as rules over jobs, their history and the objects that they leave: the
//! simulation holds them against every write, the end-to-end tests against what real servers keep.
//!
//! # What this crate does not do
//!
//! It reads nothing and waits for nothing: whoever asks brings the rows and the objects.

mod history;
mod job;
mod outcome;
#[cfg(test)]
mod tests;

pub use history::{AWAY, BUS_AWAY, charges, check_history, nothing_repeated};
pub use job::{check_write, shown};
pub use outcome::{check_end, files_of};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// A job that a client was told is accepted is there.
    AcceptedIsNeverLost,
    /// Only an operator's replay leaves an end.
    OnlyAReplayLeavesAnEnd,
    /// Once faults are over, every job ends in bounded time.
    EveryJobEnds,
    /// What stands at a manifest key stays.
    OneManifest,
    /// A job that succeeded has the manifest that it names.
    SuccessHasItsManifest,
    /// Every file that a result names is in the store.
    ResultsAreWhole,
    /// A job that may have been sent ends without a result only behind a seal.
    AnEndWithoutResultIsSealed,
    /// No job fails, crashes, is lost or let go more often than its limits say.
    LimitsHold,
    /// Attempt numbers grow, and one number is one message.
    AttemptNumbersAreUsedOnce,
    /// No child outlives its job for long, and none lives for ever.
    NothingRunsForEver,
    /// Nobody writes what nobody can read.
    EverythingIsReadable,
    /// Without a fault of its worker, a job is not sent again.
    NotSentAgainForNothing,
    /// Results and events of a job stay where they were to go, and it runs only where it may.
    AHopMovesTheJobOnly,
    /// A claim is of a worker of the region that its attempt was sent to.
    ARegionsWordCountsForItsOwn,
    /// A job is where it is held, also if an old copy was claimed after it had gone on.
    WhoClaimsAJobHasIt,
    /// The first split of a generation is the only one.
    AJobIsSplitOnce,
    /// A job that was split is joined, and ends, when its children have.
    AJobEndsAfterItsChildren,
    /// No process gives up.
    ProcessesGoOn,
}

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How.
    pub how: String,
}

impl Broken {
    /// A promise that was broken.
    pub fn new(promise: Promise, how: impl Into<String>) -> Self {
        Self { promise, how: how.into() }
    }
}
