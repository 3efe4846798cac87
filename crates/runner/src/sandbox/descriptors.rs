//! File descriptors: none but the three standard ones, and standard output out of reach of C libraries.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;

/// Closes what the worker may have left open by mistake: everything above standard error.
///
/// To be called before anything in this process is opened.
#[expect(unsafe_code, reason = "there is no safe way to close descriptors of unknown owners")]
pub(crate) fn close_inherited() {
    // SAFETY: nothing in this process owns a descriptor above 2 yet. A kernel that does not know the call
    // (before 5.9) leaves them open, which Landlock and seccomp cannot mend, but neither do they open any.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32);
    }
}

/// Takes standard output away for frames, and points descriptor 1 at standard error: a C library that
/// prints cannot corrupt the protocol.
///
/// # Errors
/// What the kernel says.
#[expect(unsafe_code, reason = "descriptor 1 has to be replaced by number")]
pub(crate) fn take_standard_output() -> io::Result<File> {
    // SAFETY: both calls only name descriptors by number and touch no memory.
    let frames = unsafe { libc::fcntl(1, libc::F_DUPFD_CLOEXEC, 3) };
    if frames < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as above.
    if unsafe { libc::dup2(2, 1) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `frames` is open, and nobody else owns it.
    Ok(unsafe { File::from_raw_fd(frames) })
}
