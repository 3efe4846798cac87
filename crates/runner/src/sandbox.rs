//! The process locks itself up before it looks at a single byte of the source.
//!
//! In this order, on the only thread there is: limits, no new privileges, no files but the task's
//! (Landlock), no sockets, processes or tracing (seccomp). Threads that start later inherit all of it. The
//! worker has already put the process into a group of its own and given it an empty environment.

use std::io;
use std::path::Path;

use panofleet_job_schema::Failure;
use panofleet_job_schema::runner_protocol::{SandboxReport, Task, TaskLimits};

pub(crate) mod descriptors;
mod files;
mod limits;
mod system_calls;

/// Locks the process up around one task.
///
/// # Errors
/// `sandbox_unavailable` if the kernel does not hold what the task requires. That is the operator's to
/// mend, and the job may well run on another worker.
pub(crate) fn enter(task: &Task) -> Result<SandboxReport, Failure> {
    let unavailable = |said: String| {
        let said = format!(
            "this worker cannot lock a decoder up: {said}; it needs Linux 5.13 or newer with Landlock and \
             seccomp (`panofleet doctor` tells what is missing)"
        );
        Failure::transient("sandbox_unavailable", said)
    };
    let sandbox = lock_up(Path::new(&task.source), Path::new(&task.scratch), &task.limits)
        .map_err(|error| unavailable(error.to_string()))?;
    if task.limits.require_sandbox {
        if !sandbox.landlock {
            return Err(unavailable("the kernel has no Landlock".into()));
        }
        if !sandbox.seccomp {
            return Err(unavailable("the kernel has no seccomp filters".into()));
        }
    }
    Ok(sandbox)
}

/// Gives up everything but reading `source` and writing below `scratch`.
///
/// # Errors
/// Limits that cannot be set, or a path that cannot be opened. A kernel without Landlock or seccomp is not
/// an error but a `false` in the report.
pub(crate) fn lock_up(
    source: &Path,
    scratch: &Path,
    limits: &TaskLimits,
) -> io::Result<SandboxReport> {
    limits::set(limits)?;
    limits::die_with_parent()?;
    limits::no_new_privileges()?;
    let landlock = files::restrict(source, scratch)?;
    let seccomp = system_calls::restrict();
    Ok(SandboxReport { landlock, seccomp })
}
