//! The sandboxed child of a worker: the only program that touches media bytes.
//!
//! It reads one [`Task`](panofleet_job_schema::runner_protocol::Task) from standard input, locks itself up,
//! and answers in frames on standard output: what the sandbox holds, what the source is, each file as it is
//! complete, and last `done` or `failed`. `--self-test [FOLDER]` locks itself up around a folder,
//! tries to break out, and prints what was refused.
//!
//! | status | meaning |
//! |---:|---|
//! | 0 | the last frame is `done`; with `--self-test`, everything was refused |
//! | 1 | the last frame is `failed`; with `--self-test`, something was not refused |
//! | 2 | there is nobody to talk to: no task came in, or the pipe is gone |
//! | a signal | memory or time ran out, or a decoder broke |
//!
//! | you look for | file |
//! |---|---|
//! | what the process may do | `sandbox`, `sandbox/` |
//! | what happens to a task, in order | `work` |
//! | what happens for one output | `steps/` |
//! | frames, progress | `report` |
//!
//! # What this crate does not do
//!
//! It downloads and uploads nothing, has no credentials, starts no process, decides about no retry, and
//! leaves cancelling and wall-clock limits to the worker, which kills it.

use std::io;
use std::process::ExitCode;

mod error;
mod output;
mod panics;
mod report;
mod sandbox;
mod self_test;
mod steps;
mod work;

fn main() -> ExitCode {
    sandbox::descriptors::close_inherited();
    let mut arguments = std::env::args_os().skip(1);
    let outcome = match arguments.next() {
        Some(flag) if flag == "--self-test" => self_test::run(arguments.next().as_deref()),
        Some(_) => Err(io::Error::other("the only argument there is is --self-test [FOLDER]")),
        None => work::serve(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::last_words(&format!("panofleet-runner: {error}"));
            ExitCode::from(2)
        }
    }
}
