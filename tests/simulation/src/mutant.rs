//! Rules that can be broken, one at a time: each has to be noticed by the checker.

/// A broken rule. The production code stays as it is; what it stands on breaks its word, or its settings are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The database answers that a job is accepted, and has not kept it.
    AcceptedIsNotKept,
    /// The database writes over rows that somebody else has changed.
    VersionsAreNotCompared,
    /// The offset moves on, and what was read is not applied.
    OffsetsWithoutTheirBatch,
    /// Silence counts before the log is applied.
    LogLooksCaughtUp,
    /// Leases count from before an outage.
    LeasesDoNotRestart,
    /// A region whose workers fall silent together is dead at once.
    RegionsGetNoPatience,
    /// A closing job is never looked after again.
    ClosingHasNoTimer,
    /// Charged attempts and crashes are not kept.
    CostsAreForgotten,
    /// Nobody remembers where earlier attempts were sent.
    HopsAreForgotten,
    /// Children that are at work are counted as such that have a result.
    ChildrenLookEnded,
    /// Whoever asks for a job's children is told that there are none.
    ChildrenAreForgotten,
    /// The store puts over what is there.
    ConditionsAreIgnored,
    /// The store says that a seal stands, and it does not.
    SealsAreNotKept,
    /// The store says that a file is kept, and it is not.
    FilesAreNotKept,
    /// Messages that are in the queue look gone.
    CopiesLookGone,
    /// A message is handed to everybody who asks.
    LocksAreIgnored,
    /// The log says that heartbeats are there, and they are not.
    HeartbeatsAreLost,
    /// The log says that ends of attempts are there, and some are not.
    EndsAreLost,
    /// A reader is not given some records.
    RecordsAreSkipped,
    /// Messages change on their way.
    MessagesAreGarbled,
    /// Children live on when they are killed.
    ChildrenOutliveTheirKill,
    /// Control records are not kept. No promise hangs on them: nothing may be noticed.
    ControlIsForgotten,
}

impl Mutant {
    /// Every rule whose breaking has to be noticed.
    pub const NOTICED: [Self; 21] = [
        Self::AcceptedIsNotKept,
        Self::VersionsAreNotCompared,
        Self::OffsetsWithoutTheirBatch,
        Self::LogLooksCaughtUp,
        Self::LeasesDoNotRestart,
        Self::RegionsGetNoPatience,
        Self::ClosingHasNoTimer,
        Self::CostsAreForgotten,
        Self::HopsAreForgotten,
        Self::ChildrenLookEnded,
        Self::ChildrenAreForgotten,
        Self::ConditionsAreIgnored,
        Self::SealsAreNotKept,
        Self::FilesAreNotKept,
        Self::CopiesLookGone,
        Self::LocksAreIgnored,
        Self::HeartbeatsAreLost,
        Self::EndsAreLost,
        Self::RecordsAreSkipped,
        Self::MessagesAreGarbled,
        Self::ChildrenOutliveTheirKill,
    ];

    /// By its name, as in the code.
    pub fn named(name: &str) -> Option<Self> {
        let all = Self::NOTICED.into_iter().chain([Self::ControlIsForgotten]);
        all.into_iter().find(|mutant| format!("{mutant:?}") == name)
    }
}
