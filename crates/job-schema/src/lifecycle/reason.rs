//! Why a job changes, and why it does not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a job changed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its backoff is over.
    Due,
    /// It was chosen to go next.
    Dispatched,
    /// The bus has its message.
    Placed,
    /// The bus never said that it has the message; it is sent again.
    SentAgain,
    /// A worker took it.
    Claimed,
    /// Its source was looked at, and takes longer than its attempts had.
    Probed,
    /// A further worker took a copy; both hold it.
    Joined,
    /// A claim that was given up is alive; the job is running again.
    Revived,
    /// A claim is alive; its lease is extended.
    Renewed,
    /// Nobody could have heard a claim's worker; its lease begins anew.
    Excused,
    /// A worker let it go before it started.
    ReleasedUnstarted,
    /// A worker let it go.
    Released,
    /// A worker refused to start its message.
    Dropped,
    /// An attempt failed.
    AttemptFailed,
    /// An attempt ran for too long.
    AttemptTimedOut,
    /// A worker fell silent.
    LeaseLapsed,
    /// A worker came back without its claim.
    Abandoned,
    /// One of several claims ended.
    ClaimEnded,
    /// Its message is still in the queue; or it may go on, and no other region takes jobs.
    StillQueued,
    /// Its message is gone from the queue; waits until that is certain.
    CopyGone,
    /// Its message was lost.
    MessageLost,
    /// Somebody cancelled it.
    CancelRequested,
    /// Its deadline passed.
    DeadlinePassed,
    /// A further try to put the seal.
    SealTried,
    /// It ended without a result.
    Sealed,
    /// It was cancelled before anybody could have started it.
    Cancelled,
    /// Its deadline passed before anybody could have started it.
    Expired,
    /// Its manifest stands.
    Succeeded,
    /// It was to be cancelled, but its manifest stood already.
    CancelLostRace,
    /// It was to end without a result, but its manifest stood already.
    ManifestFound,
    /// An operator started it anew.
    Replayed,
    /// An operator had it go at once, before its time.
    BroughtForward,
    /// An operator asked whoever holds it to let it go.
    ReleaseRequested,
    /// It waited for too long, and went on to another region.
    Hopped,
    /// It was split into children.
    Expanded,
    /// Some of its children have not ended.
    StillBlocked,
    /// Its children have ended; it is to be joined.
    ChildrenEnded,
    /// One of its children ended without a result.
    ChildFailed,
    /// Somebody had it wait in another band.
    Reprioritised,
}

impl Reason {
    /// Whether the history keeps a line about it: not about what repeats while nothing happens.
    pub const fn is_history(self) -> bool {
        !matches!(
            self,
            Self::Placed
                | Self::Renewed
                | Self::Excused
                | Self::StillQueued
                | Self::SealTried
                | Self::StillBlocked
        )
    }

    /// The reason's name in the history.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::String(name)) => name,
            _ => format!("{self:?}"),
        }
    }
}

/// Why an event changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// It is of an earlier generation.
    #[error("the event is of an earlier generation")]
    StaleGeneration,
    /// It is about an attempt that was never sent: it goes to the dead letters.
    #[error("the attempt was never sent")]
    UnknownAttempt,
    /// It is about a claim that has ended for good.
    #[error("the claim has ended")]
    EndedClaim,
    /// It is about a claim that nobody has made.
    #[error("the claim is not known")]
    UnknownClaim,
    /// More claims than a job may have.
    #[error("the job has as many claims as it may have")]
    TooManyClaims,
    /// The job has ended.
    #[error("the job has ended")]
    Ended,
    /// The job is closing.
    #[error("the job is closing")]
    Closing,
    /// The job has not ended, so it cannot be started anew.
    #[error("the job has not ended; cancel it first")]
    NotEnded,
    /// Nobody can let it go.
    #[error("no worker holds the job")]
    NotHeld,
    /// It is about an attempt from before the job was split.
    #[error("the job was split; only its join goes on")]
    Split,
    /// It is a child that nobody waits for.
    #[error("the job that it is a part of does not wait for it; start that one anew")]
    NoParentWaits,
    /// It is known already.
    #[error("nothing new")]
    NothingNew,
    /// No timer is due, or silence may not be trusted yet.
    #[error("not yet")]
    NotYet,
}

impl Refusal {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StaleGeneration => "stale_generation",
            Self::UnknownAttempt => "unknown_attempt",
            Self::EndedClaim => "ended_claim",
            Self::UnknownClaim => "unknown_claim",
            Self::TooManyClaims => "too_many_claims",
            Self::Ended => "ended",
            Self::Closing => "closing",
            Self::NotEnded => "not_ended",
            Self::NotHeld => "not_held",
            Self::Split => "split",
            Self::NoParentWaits => "no_parent_waits",
            Self::NothingNew => "nothing_new",
            Self::NotYet => "not_yet",
        }
    }
}
