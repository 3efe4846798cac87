//! How a child ended, and what that says about the attempt.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use panofleet_job_schema::{ErrorClass, Failure};
use rustix::process::Signal;

use crate::metrics;

/// What Rust's standard library exits with after a panic.
const PANIC_CODE: i32 = 101;

/// The end of a child.
#[derive(Debug)]
pub struct Exit {
    /// What it exited with, or was killed by.
    pub status: io::Result<ExitStatus>,
    /// The end of its standard error.
    pub last_words: String,
    /// It closed its output and did not exit.
    pub lingered: bool,
}

impl Exit {
    /// The failure that the end itself is; `None` for exit code 0.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let crashed =
            |code: &str, message: String| Failure::new(ErrorClass::Crashed, code, message);
        let failure = match &self.status {
            _ if self.lingered => crashed(
                "child_lingered",
                "the child finished and did not exit; it was killed".into(),
            ),
            Err(error) => {
                crashed("child_lost", format!("the child's exit status is unknown: {error}"))
            }
            Ok(status) => match (status.code(), status.signal()) {
                (Some(0), _) => return None,
                (Some(PANIC_CODE), _) => {
                    let message = "the runner panicked; this is a fault of Panofleet: report it with the detail";
                    Failure::new(ErrorClass::Bug, "child_panicked", message)
                }
                (Some(code), _) => crashed(
                    "child_exit",
                    format!("the child exited with code {code} and no reason"),
                ),
                (None, Some(signal)) => self.signalled(signal),
                (None, None) => {
                    crashed("child_lost", format!("the child ended in an unknown way: {status}"))
                }
            },
        };
        Some(self.explain(failure))
    }

    /// Counts it, by the code of its failure.
    pub(crate) fn count(self) -> Self {
        metrics::child_ended(
            self.failure().map_or_else(|| "ok".to_owned(), |failure| failure.code),
        );
        self
    }

    /// Adds the last words, if there are any, to a failure that has no detail.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        if failure.detail.is_some() || self.last_words.is_empty() {
            return failure;
        }
        failure.with_detail(&*self.last_words)
    }

    fn signalled(&self, signal: i32) -> Failure {
        let (code, message) = match signal {
            s if s == Signal::XCPU.as_raw() => {
                ("cpu_limit", "the child used up its processor time (worker.child.cpu_s)".to_owned())
            }
            s if s == Signal::XFSZ.as_raw() => {
                ("file_limit", "the child wrote a file past the limit (worker.child.file_bytes)".to_owned())
            }
            s if s == Signal::ABORT.as_raw() && self.speaks_of_memory() => (
                "out_of_memory",
                "the child ran out of memory (worker.child.memory_bytes); \
                 use a smaller source, or a worker that allows more"
                    .to_owned(),
            ),
            s if s == Signal::KILL.as_raw() => (
                "child_killed",
                "the child was killed from outside: most often by the kernel, for want of memory on the \
                 machine or of processor time"
                    .to_owned(),
            ),
            s if s == Signal::SYS.as_raw() => (
                "sandbox_violation",
                "the child was killed for a system call that its sandbox forbids (SIGSYS)".to_owned(),
            ),
            _ => ("child_signal", format!("the child was killed by {}", signal_name(signal))),
        };
        Failure::new(ErrorClass::Crashed, code, message)
    }

    /// Rust says "memory allocation of N bytes failed", C++ `std::bad_alloc`, C libraries "out of memory".
    fn speaks_of_memory(&self) -> bool {
        let said = self.last_words.to_ascii_lowercase();
        ["memory", "bad_alloc"].iter().any(|word| said.contains(word))
    }
}

fn signal_name(signal: i32) -> String {
    const NAMES: [(Signal, &str); 10] = [
        (Signal::BUS, "SIGBUS"),
        (Signal::HUP, "SIGHUP"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
        (Signal::ILL, "SIGILL"),
        (Signal::TRAP, "SIGTRAP"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::FPE, "SIGFPE"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::TERM, "SIGTERM"),
    ];
    match NAMES.iter().find(|(known, _)| known.as_raw() == signal) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wait status, last words → class and code.
    #[test]
    fn ends_are_told_apart() {
        const SIGNAL: fn(Signal) -> i32 = Signal::as_raw;
        const CODE: fn(i32) -> i32 = |code| code << 8;
        for (raw_status, said, expected) in [
            (CODE(0), "", None),
            (CODE(3), "odd", Some((ErrorClass::Crashed, "child_exit"))),
            (CODE(101), "thread 'main' panicked", Some((ErrorClass::Bug, "child_panicked"))),
            (SIGNAL(Signal::SEGV), "", Some((ErrorClass::Crashed, "child_signal"))),
            (SIGNAL(Signal::ABORT), "assertion", Some((ErrorClass::Crashed, "child_signal"))),
            (
                SIGNAL(Signal::ABORT),
                "memory allocation of 9 bytes failed",
                Some((ErrorClass::Crashed, "out_of_memory")),
            ),
            (
                SIGNAL(Signal::ABORT),
                "what(): std::bad_alloc",
                Some((ErrorClass::Crashed, "out_of_memory")),
            ),
            (SIGNAL(Signal::XCPU), "", Some((ErrorClass::Crashed, "cpu_limit"))),
            (SIGNAL(Signal::XFSZ), "", Some((ErrorClass::Crashed, "file_limit"))),
            (SIGNAL(Signal::KILL), "", Some((ErrorClass::Crashed, "child_killed"))),
            (SIGNAL(Signal::SYS), "", Some((ErrorClass::Crashed, "sandbox_violation"))),
        ] {
            let status = Ok(ExitStatus::from_raw(raw_status));
            let exit = Exit { status, last_words: said.into(), lingered: false };
            let failure = exit.failure();
            let told = failure.as_ref().map(|f| (f.class, f.code.as_str()));
            assert_eq!(told, expected, "{raw_status} {said}");
            let detail = failure.and_then(|f| f.detail).unwrap_or_default();
            assert!(expected.is_none() || detail == said, "{detail}");
        }
    }

    #[test]
    fn a_signal_is_named() {
        assert_eq!(signal_name(Signal::SEGV.as_raw()), "SIGSEGV");
        assert_eq!(signal_name(Signal::BUS.as_raw()), "SIGBUS");
        assert_eq!(signal_name(64), "signal 64");
    }
}
