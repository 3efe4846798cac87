//! What may go wrong.

/// What may go wrong, or be asked for; a scenario says how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// A worker dies with its machine.
    WorkerLost,
    /// A worker dies; its next life reports what it held.
    WorkerCrash,
    /// A worker stops for as long as it likes.
    Freeze,
    /// A lock lapses, or an acknowledgement is late, under a worker that is merely slow.
    SlowLock,
    /// A dispatcher dies between commit, produce, placement, seal and the row.
    DispatcherCrash,
    /// A process dies between its commit and the control record.
    ControlLost,
    /// Kafka is away for a while.
    KafkaDown,
    /// A message leaves the queue though nobody took it.
    MessageGone,
    /// The store carries a put out, or will, and does not say so.
    StoreSilent,
    /// A further dispatcher leads; the one before may go on with what it has in its hands.
    Handover,
    /// Two collectors read the same records.
    SecondCollector,
    /// An event lies in the log twice.
    SaidTwice,
    /// An attempt fails.
    Failure,
    /// The child dies.
    ChildCrash,
    /// The input is at fault.
    Rejection,
    /// A worker drains.
    Drain,
    /// The time of an attempt is up.
    AttemptTimeout,
    /// The job's deadline passes.
    Deadline,
    /// Somebody cancels the job.
    Cancel,
    /// An operator starts the job anew.
    Replay,
}

/// How often each fault may still happen.
pub(crate) type Budget = [u8; Fault::Replay as usize + 1];
