//! The programs under test as processes: their children, and their violent ends.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that `./dev build` makes, of the profile that the tests have.
///
/// # Panics
/// If it is not there.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let found = test.ancestors().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built; run ./dev build"))
}

/// A command that runs a program with a file system of its own, in memory, on a folder: an empty disk of so many MiB.
/// It goes with the process, and nobody else sees it. Whoever is not root is root in a user namespace of its own for
/// it, which the machine has to allow.
pub fn on_small_disk(folder: &Path, mib: u32, program: &Path) -> Command {
    // The process is the program from the second `exec` on: its id stays.
    let script =
        "mount -t tmpfs -o size=\"$1\"m,mode=700 panofleet-test \"$2\" && shift 2 && exec \"$@\"";
    #[expect(clippy::disallowed_methods, reason = "tests start the programs that they test")]
    let mut command = Command::new("unshare");
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    command.args(if is_root { ["--mount"].as_slice() } else { &["--map-root-user", "--mount"] });
    command.args(["sh", "-c", script, "sh", &mib.to_string()]).arg(folder).arg(program);
    command
}

/// Every process below `pid`, by name.
pub fn descendants(pid: u32, name: &str) -> Vec<u32> {
    let mut below = vec![pid];
    let mut found = Vec::new();
    while let Some(parent) = below.pop() {
        for child in children(parent) {
            below.push(child);
            if comm(child).is_some_and(|comm| name.starts_with(&comm)) {
                found.push(child);
            }
        }
    }
    found
}

/// The processes that one has started.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|line| {
            line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// A process's name, cut to 15 bytes by the kernel; `None` once it is gone.
fn comm(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// Whether a process is there and has not ended.
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.trim().chars().next())
        .is_some_and(|state| state != 'Z')
}

/// Sends a signal by name, such as `KILL`.
///
/// # Panics
/// If `kill` cannot be run. A process that has ended already is no error.
pub fn signal(pid: u32, name: &str) {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests end processes; there is no safe call for it in std"
    )]
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).output();
    status.expect("kill(1) is there");
}
