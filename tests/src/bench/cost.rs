//! Processor time and memory of processes, as Linux counts them.

use std::fs;

use crate::processes;

/// Clock ticks of `/proc` in a second: Linux shows 100 to programs, whatever the kernel counts by.
const TICKS: f64 = 100.0;

/// Processor seconds of a process and of everything below it, also of children that have ended and were waited for.
pub fn cpu_seconds(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return 0.0 };
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // utime, stime, cutime and cstime: proc(5), fields 14 to 17, two before the state.
    let ticks: f64 = (11..=14).filter_map(|at| fields.get(at)?.parse::<f64>().ok()).sum();
    ticks / TICKS + processes::children(pid).into_iter().map(cpu_seconds).sum::<f64>()
}

/// Resident memory of a process, in MiB.
///
/// # Panics
/// If it does not run.
pub fn resident_mib(pid: u32) -> f64 {
    status_mib(pid, "VmRSS:")
}

/// The part of a process's resident memory that is its own, in MiB: not of a file.
///
/// # Panics
/// If it does not run.
pub fn private_mib(pid: u32) -> f64 {
    status_mib(pid, "RssAnon:")
}

fn status_mib(pid: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field of it");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
    kib.expect("a number of KiB") / 1024.0
}
