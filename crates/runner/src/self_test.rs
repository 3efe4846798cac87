//! Tries to break out of the sandbox, and says what was refused.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use libc::c_long;
use panofleet_job_schema::runner_protocol::{SandboxReport, TaskLimits};
use serde::Serialize;

use crate::sandbox;

/// Bytes of a file that the test may write.
const FILE_BYTES_MAX: usize = 64 * 1024;

/// What `--self-test` prints.
#[derive(Debug, Serialize)]
struct Verdict {
    sandbox: SandboxReport,
    /// Each attempt with what came of it.
    attempts: Vec<Attempt>,
    /// Whether all of them were refused, and what a job needs was not.
    holds: bool,
}

#[derive(Debug, Serialize)]
struct Attempt {
    attempt: &'static str,
    refused: bool,
    /// The kernel's words.
    said: String,
}

/// Locks up around a source and a scratch folder inside of `folder`, and tries. Three small files stay
/// there, because the sandbox lets nobody remove any.
///
/// # Errors
/// The files cannot be made, or the sandbox not entered.
pub(crate) fn run(folder: Option<&OsStr>) -> io::Result<bool> {
    let by_default = || std::env::temp_dir().join("panofleet-self-test");
    let folder = folder.map_or_else(by_default, PathBuf::from);
    let (source, scratch) = (folder.join("source"), folder.join("scratch"));
    fs::create_dir_all(&scratch)?;
    fs::write(&source, b"source")?;
    let verdict = try_all(&scratch, &source)?;
    let text = serde_json::to_string_pretty(&verdict)?;
    writeln!(io::stdout(), "{text}")?;
    Ok(verdict.holds)
}

fn try_all(scratch: &Path, source: &Path) -> io::Result<Verdict> {
    let outside = std::env::temp_dir().join("panofleet-self-test-outside");
    let limits = TaskLimits {
        memory_bytes: 1 << 30,
        cpu_s: 10,
        file_bytes: FILE_BYTES_MAX as u64,
        threads: 1,
        require_sandbox: false,
    };
    let sandbox = sandbox::lock_up(source, scratch, &limits)?;
    let attempts = vec![
        attempt("read /etc/passwd", || fs::read("/etc/passwd").map(drop)),
        attempt("list /", || fs::read_dir("/").map(drop)),
        attempt("write outside of scratch", || fs::write(&outside, b"out")),
        attempt("change the source", || File::options().append(true).open(source).map(drop)),
        attempt("open a TCP socket", || TcpStream::connect("127.0.0.1:9").map(drop)),
        attempt("start a program", start_program),
        attempt("fork", fork),
        attempt("trace", trace),
        attempt("signal another process", signal_parent),
        attempt("call the kernel by other numbers", other_numbers),
        attempt("write a file beyond its limit", || {
            fs::write(scratch.join("large"), vec![0; FILE_BYTES_MAX + 1])
        }),
    ];
    let works = fs::read(source).is_ok() && fs::write(scratch.join("small"), b"in").is_ok();
    let threads =
        std::thread::Builder::new().spawn(|| {}).is_ok_and(|thread| thread.join().is_ok());
    let holds = works && threads && attempts.iter().all(|attempt| attempt.refused);
    Ok(Verdict { sandbox, attempts, holds })
}

fn attempt(attempt: &'static str, try_it: impl FnOnce() -> io::Result<()>) -> Attempt {
    let error = try_it().err();
    // A closed port would fail as well, but that is an answer from the network, not a refusal.
    let refused = error.as_ref().is_some_and(|error| {
        matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::FileTooLarge)
    });
    let said = error.map_or_else(|| "it was let through".to_owned(), |error| error.to_string());
    Attempt { attempt, refused, said }
}

fn result(outcome: c_long) -> io::Result<()> {
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Where there is no seccomp this finds no program, instead of becoming one that reports nothing.
#[expect(unsafe_code, reason = "std would fork first, which is another attempt")]
fn start_program() -> io::Result<()> {
    let arguments = [c"/nowhere/program".as_ptr(), std::ptr::null()];
    // SAFETY: the path and the list end with null and live until the call returns.
    result(unsafe { libc::execv(arguments[0], arguments.as_ptr()) }.into())
}

#[expect(unsafe_code, reason = "forking is what is tried")]
fn fork() -> io::Result<()> {
    // SAFETY: there is one thread, and a child leaves at once without running anything.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child without running handlers of the parent.
        unsafe { libc::_exit(0) }
    }
    result(child.into())
}

/// Reads from a process that is not traced, which the kernel answers with "no such process" where it is not
/// refused; attaching would stop the worker.
#[expect(unsafe_code, reason = "tracing is what is tried")]
fn trace() -> io::Result<()> {
    let nowhere = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: the address is one of the other process, and nothing is written.
    result(unsafe { libc::ptrace(libc::PTRACE_PEEKDATA, libc::getppid(), nowhere, nowhere) })
}

/// `getpid` by the number that the x32 interface has for it.
#[expect(unsafe_code, reason = "a call that no library makes is what is tried")]
fn other_numbers() -> io::Result<()> {
    if cfg!(not(target_arch = "x86_64")) {
        // Only x86_64 has a second set of numbers: there is nothing to refuse.
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // SAFETY: the call takes no arguments and changes nothing.
    result(unsafe { libc::syscall((1 << 30) | libc::SYS_getpid) })
}

#[expect(unsafe_code, reason = "signalling is what is tried")]
fn signal_parent() -> io::Result<()> {
    // SAFETY: signal 0 only asks whether the process could be signalled.
    result(unsafe { libc::kill(libc::getppid(), 0) }.into())
}
