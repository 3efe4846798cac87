//! What happens at a place that the process is armed with.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

use super::CrashPoint;

/// What this process is armed with.
static ARMED: OnceLock<Armed> = OnceLock::new();

#[derive(Debug)]
struct Armed {
    crash: Crash,
    passes: AtomicU32,
}

/// Where a process dies, and when: `worker.after_claimed:2:/folder/marker`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Where.
    pub at: CrashPoint,
    /// At which pass, from 1.
    pub pass: u32,
    /// A file that is made just before. Where it is there already, nobody dies, so that the next life goes on.
    pub marker: PathBuf,
}

/// Why a text is no [`Crash`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form place:pass:marker, such as worker.after_claimed:1:/tmp/crashed")]
pub struct BadCrash(String);

impl FromStr for Crash {
    type Err = BadCrash;

    fn from_str(text: &str) -> Result<Self, BadCrash> {
        let parsed = || {
            let (name, rest) = text.split_once(':')?;
            let (pass, marker) = rest.split_once(':')?;
            let at = *CrashPoint::ALL.iter().find(|point| point.name() == name)?;
            let pass = pass.parse().ok().filter(|pass| *pass > 0)?;
            Some(Self { at, pass, marker: marker.into() })
        };
        parsed()
            .filter(|crash| !crash.marker.as_os_str().is_empty())
            .ok_or_else(|| BadCrash(text.to_owned()))
    }
}

/// Arms this process. Only the first call counts.
pub fn arm(crash: &Crash) {
    ARMED.get_or_init(|| Armed { crash: crash.clone(), passes: AtomicU32::new(0) });
}

pub(super) fn pass(point: CrashPoint) {
    if let Some(armed) = ARMED.get().filter(|armed| armed.crash.at == point) {
        armed.pass();
    }
}

impl Armed {
    /// SIGKILL, as by a power cut: nothing is flushed, no destructor runs, no core is written.
    fn pass(&self) {
        if self.passes.fetch_add(1, Ordering::Relaxed) + 1 != self.crash.pass {
            return;
        }
        // Of several processes that share a marker, one dies.
        if OpenOptions::new().write(true).create_new(true).open(&self.crash.marker).is_ok()
            && let Err(error) = kill_process(getpid(), Signal::KILL)
        {
            tracing::error!(%error, "this process cannot be ended as it was told to");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_a_place_a_pass_and_a_marker() {
        let crash: Crash = "worker.after_claimed:2:/tmp/a:b".parse().unwrap();
        let expected =
            Crash { at: CrashPoint::WorkerAfterClaimed, pass: 2, marker: "/tmp/a:b".into() };
        assert_eq!(crash, expected);
        for bad in
            ["", "worker.after_claimed", "worker.after_claimed:1", "worker.after_claimed:0:/m"]
        {
            assert!(bad.parse::<Crash>().is_err(), "{bad}");
        }
        for bad in
            ["worker.after_lunch:1:/m", "worker.after_claimed:1:", "worker.after_claimed:x:/m"]
        {
            assert!(bad.parse::<Crash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unarmed_process_and_one_with_its_marker_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let marker = folder.path().join("marker");
        for point in CrashPoint::ALL {
            point.pass();
        }
        std::fs::write(&marker, "").unwrap();
        let crash = Crash { at: CrashPoint::ApiAfterCommit, pass: 1, marker };
        let armed = Armed { crash, passes: AtomicU32::new(0) };
        armed.pass();
        armed.pass();
        assert_eq!(armed.passes.into_inner(), 2);
    }
}
