//! Runs one seed of the simulation, or one after the other until time is up.
//!
//! ```text
//! simulate SEED [--mutant NAME] [--loud] [--log]     replays a seed
//! simulate soak SECONDS [FIRST]                       runs seeds from FIRST on, one for each core at once
//! ```
//!
//! It ends with 1 if a promise was broken, and says what to run to see it again.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use panofleet_test_simulation::{Mutant, Plan, Trouble, Verdict, run, seeds};

/// Longest run of one seed, in real time; most take seconds.
const RUN_MAX: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["soak", seconds] => soak(seconds, "1000000"),
        ["soak", seconds, first] => soak(seconds, first),
        [seed, options @ ..] => match plan(seed, options) {
            Some(plan) => replay(plan, options.contains(&"--log")),
            None => usage(),
        },
        [] => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "simulate SEED [--mutant NAME] [--loud] [--log], or simulate soak SECONDS [FIRST SEED]"
    );
    ExitCode::from(2)
}

fn plan(seed: &str, options: &[&str]) -> Option<Plan> {
    let mut plan = Plan { seed: seed.parse().ok()?, mutant: None, is_loud: false };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--mutant" => plan.mutant = Some(Mutant::named(options.next()?)?),
            "--loud" => plan.is_loud = true,
            "--log" => {}
            _ => return None,
        }
    }
    Some(plan)
}

fn replay(plan: Plan, is_logged: bool) -> ExitCode {
    if is_logged {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    }
    let scratch = match tempfile::tempdir() {
        Ok(scratch) => scratch,
        Err(error) => {
            eprintln!("no folder for the workers' files can be made: {error}");
            return ExitCode::from(2);
        }
    };
    let done = watch(plan.seed);
    let Verdict { broken, last, digest, faults, jobs, writes, length } = run(plan, scratch.path());
    drop(done);
    let (seed, trouble, length_s) = (plan.seed, Trouble::of(plan.seed), length.as_secs_f64());
    let count: u64 = faults.values().sum();
    println!(
        "seed {seed}: {trouble:?}, {length_s:.3} s, {writes} writes, digest {digest}, faults {count}"
    );
    println!("  jobs {jobs:?}");
    println!("  faults {faults:?}");
    let Some(broken) = broken else { return ExitCode::SUCCESS };
    println!("  the last that happened:");
    for line in last {
        println!("    {line}");
    }
    println!("seed {seed} breaks {:?}: {}", broken.promise, broken.how);
    println!("replay it: ./dev simulate {seed}{} --loud", named(plan.mutant));
    ExitCode::FAILURE
}

/// Ends the program if the run does not: then it waits for something that never comes.
fn watch(seed: u64) -> Sender<()> {
    let (done, is_done) = channel();
    std::thread::spawn(move || {
        if is_done.recv_timeout(RUN_MAX) == Err(RecvTimeoutError::Timeout) {
            eprintln!("seed {seed} hangs: no end after {} s", RUN_MAX.as_secs());
            std::process::abort();
        }
    });
    done
}

fn named(mutant: Option<Mutant>) -> String {
    mutant.map_or_else(String::new, |mutant| format!(" --mutant {mutant:?}"))
}

fn soak(seconds: &str, first: &str) -> ExitCode {
    let (Ok(seconds), Ok(first)) = (seconds.parse(), first.parse()) else { return usage() };
    let Ok(program) = std::env::current_exe() else { return usage() };
    let soaked = seeds::soak(&program, Duration::from_secs(seconds), first);
    println!("{} seeds, {} faults", soaked.seeds, soaked.faults);
    for failure in &soaked.failures {
        println!("\n{failure}");
    }
    if soaked.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
