//! What the process may use, and that it does not outlive the worker.

use std::io;

use panofleet_job_schema::runner_protocol::TaskLimits;

/// Open files: the source, and a file being written for each thread.
const OPEN_FILES_MAX: u64 = 256;

/// Heaps of the C library. Each reserves 64 MiB of address space, and by default there are eight a core.
#[cfg(target_env = "gnu")]
const HEAPS_MAX: libc::c_int = 4;

/// Sets the limits of the task.
///
/// A file beyond its limit is a write error, time beyond its limit a SIGXCPU, memory beyond its limit a
/// failed allocation, upon which Rust says so and aborts.
///
/// # Errors
/// What the kernel says: usually a limit above the hard one of the worker.
pub(super) fn set(limits: &TaskLimits) -> io::Result<()> {
    set_one(libc::RLIMIT_CORE, 0, 0)?;
    set_one(libc::RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)?;
    // A second more before the SIGKILL that nobody can ignore.
    set_one(libc::RLIMIT_CPU, limits.cpu_s, limits.cpu_s.saturating_add(1))?;
    set_one(libc::RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes)?;
    set_one(libc::RLIMIT_NOFILE, OPEN_FILES_MAX, OPEN_FILES_MAX)?;
    ignore_file_size_signal();
    share_heaps();
    Ok(())
}

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

#[expect(unsafe_code, reason = "no safe binding for setrlimit here")]
fn set_one(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft.min(hard), rlim_max: hard };
    // SAFETY: `limit` is alive during the call, which only reads it.
    checked(unsafe { libc::setrlimit(resource, &raw const limit) })
}

#[expect(unsafe_code, reason = "no safe binding for signal here")]
fn ignore_file_size_signal() {
    // SAFETY: ignoring a signal installs no handler of ours.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "no safe binding for mallopt here")]
fn share_heaps() {
    // SAFETY: a setting of the allocator, made while there is one thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, HEAPS_MAX);
    }
}

#[cfg(not(target_env = "gnu"))]
const fn share_heaps() {}

/// The kernel kills this process when the worker's thread that started it is gone.
///
/// # Errors
/// What the kernel says.
#[expect(unsafe_code, reason = "no safe binding for prctl here")]
pub(super) fn die_with_parent() -> io::Result<()> {
    // SAFETY: a flag of this process; no memory is involved.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
}

/// No program that this process could start would gain anything; both filters need this first.
///
/// # Errors
/// What the kernel says.
#[expect(unsafe_code, reason = "no safe binding for prctl here")]
pub(super) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: a flag of this process; no memory is involved.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
