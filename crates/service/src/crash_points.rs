//! Places in production code at which a test can have a process die: the rows of the table of crashes in
//! ARCHITECTURE.md.
//!
//! A process is armed with one of them by the hidden option `--crash-at`. Both that option and what a pass does are
//! there only in builds with debug assertions, which the tests run: a released program has no way to be told to crash,
//! and passes cost it nothing. A cargo feature would do the same, but then two programs would have to be tested.

#[cfg(debug_assertions)]
mod armed;

#[cfg(debug_assertions)]
pub use armed::{BadCrash, Crash, arm};

/// Makes the list of places and their names from one table.
macro_rules! crash_points {
    ($($(#[doc = $doc:literal])+ $point:ident = $name:literal,)+) => {
        /// A place at which a process can be told to die.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CrashPoint {
            $($(#[doc = $doc])+ $point,)+
        }

        impl CrashPoint {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$point,)+];

            /// What tests call it: the role, a dot, the place.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)+
                }
            }
        }
    };
}

crash_points! {
    /// The API has checked what a client asks for, and has written nothing.
    ApiBeforeCommit = "api.before_commit",
    /// The API has committed a job, and has not answered.
    ApiAfterCommit = "api.after_commit",
    /// The dispatcher has committed that a job is sent, and has sent nothing.
    DispatcherAfterSent = "dispatcher.after_sent",
    /// The dispatcher has sent a message, and where it lies is not noted.
    DispatcherAfterProduce = "dispatcher.after_produce",
    /// The dispatcher has put a seal, and the job is still closing.
    DispatcherAfterSeal = "dispatcher.after_seal",
    /// The worker has received messages, and has claimed none.
    WorkerAfterReceive = "worker.after_receive",
    /// The worker's claims are durable, no message is acknowledged, and nothing has begun.
    WorkerAfterClaimed = "worker.after_claimed",
    /// The worker has acknowledged its messages, and what it claimed has just begun.
    WorkerAfterAcknowledge = "worker.after_acknowledge",
    /// The worker's child has finished a file, and works on.
    WorkerWhileRunning = "worker.while_running",
    /// The worker's manifest stands, and nobody was told.
    WorkerAfterManifest = "worker.after_manifest",
    /// The worker's report of an end is durable, and its record of the claim is still there.
    WorkerAfterReport = "worker.after_report",
    /// The collector has folded a batch, and has written nothing.
    CollectorBeforeCommit = "collector.before_commit",
    /// The collector has committed a batch, and has told nobody.
    CollectorAfterCommit = "collector.after_commit",
}

impl CrashPoint {
    /// The process comes by here. It is its end if it was armed with this place, often enough.
    #[inline(always)]
    pub fn pass(self) {
        #[cfg(debug_assertions)]
        armed::pass(self);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_their_own_and_say_the_role() {
        let names: BTreeSet<_> = CrashPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), CrashPoint::ALL.len());
        let roles = ["api", "dispatcher", "worker", "collector"];
        for name in names {
            assert!(name.split_once('.').is_some_and(|(role, _)| roles.contains(&role)), "{name}");
        }
    }
}
