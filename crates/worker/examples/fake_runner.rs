//! A runner for tests: it speaks the protocol, and does what its source file says, a JSON list of acts.
#![expect(clippy::unwrap_used, reason = "a runner that fails by panicking fails its test")]

use std::fs;
use std::io::{Write as _, stderr, stdin, stdout};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use panofleet_job_schema::manifest::StepTiming;
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::runner_protocol::{Frame, SandboxReport, Task, read_frame, write_frame};
use panofleet_job_schema::{Failure, OutputName};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use serde::Deserialize;
use serde_json::json;

/// One thing to do.
#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
enum Act {
    /// Says that the sandbox stands.
    Started { sandbox: bool },
    /// Says what the source is: nothing, or a square picture with sides so long.
    Probed { side_px: Option<u32> },
    /// Says how far it is.
    Progress { fraction: f64, step: String },
    /// Writes a file of `bytes` bytes, and says that it has `said_bytes`.
    File { output: String, path: String, bytes: usize, said_bytes: Option<u64> },
    /// Writes a file that tells about this process.
    Surroundings { output: String },
    /// Plants a link and says that it is a file.
    Link { output: String, path: String, to: String },
    /// Says that an output is complete.
    OutputDone { output: String },
    /// Says that all is done.
    Done,
    /// Says why it gives up.
    Failed { failure: Failure },
    /// Writes bytes that are no frame.
    Garbage { text: String },
    /// Begins a frame and does not end it.
    HalfAFrame,
    /// Writes so much to standard error.
    Chatter { bytes: usize },
    /// Says so on standard error and aborts.
    Abort { last_words: String },
    /// Dies by a signal.
    Signal { number: i32 },
    /// Panics.
    Panic,
    /// Exits.
    Exit { code: i32 },
    /// Starts a process that hangs, and says its number and its own in a step: `pids <own> <other>`.
    Grandchild,
    /// Waits until a file is there.
    WaitFor { path: String },
    /// Does nothing for ever.
    Hang,
}

fn main() {
    if std::env::args().nth(1).is_some_and(|argument| argument == "hang") {
        hang();
    }
    let task: Task = read_frame(&mut stdin().lock()).unwrap().unwrap();
    let script = fs::read(&task.source).unwrap();
    let acts: Vec<Act> = serde_json::from_slice(&script).unwrap();
    for act in acts {
        perform(act, Path::new(&task.scratch));
    }
}

fn say(frame: &Frame) {
    write_frame(&mut stdout().lock(), frame).unwrap();
}

fn name(output: &str) -> OutputName {
    serde_json::from_value(json!(output)).unwrap()
}

fn perform(act: Act, scratch: &Path) {
    match act {
        Act::Started { sandbox } => {
            say(&Frame::Started { sandbox: SandboxReport { landlock: sandbox, seccomp: sandbox } });
        }
        Act::Probed { side_px } => {
            let mut media = json!({ "container": "script", "bytes": 1 });
            if let Some(side_px) = side_px {
                media["picture"] = json!({
                    "width_px": side_px, "height_px": side_px, "color": "rgb", "alpha": false,
                    "bits_per_sample": 8, "orientation": 1, "frames": 1
                });
            }
            let media: MediaInfo = serde_json::from_value(media).unwrap();
            say(&Frame::Probed { media: Box::new(media) });
        }
        Act::Progress { fraction, step } => say(&Frame::Progress { fraction, step }),
        Act::File { output, path, bytes, said_bytes } => {
            let said = said_bytes.unwrap_or(bytes as u64);
            write(scratch, (&output, &path), &vec![b'x'; bytes], said);
        }
        Act::Surroundings { output } => {
            let told = json!({
                "environment": std::env::vars_os().count(),
                "folder": std::env::current_dir().unwrap(),
                "scratch": scratch,
                "leads_its_group": getpgrp() == getpid(),
                "open_files": open_files(),
            });
            let bytes = told.to_string().into_bytes();
            write(scratch, (&output, "surroundings.json"), &bytes, bytes.len() as u64);
        }
        Act::Link { output, path, to } => {
            fs::create_dir_all(scratch.join(&output)).unwrap();
            symlink(to, scratch.join(&output).join(&path)).unwrap();
            let content_type = "text/plain".to_owned();
            say(&Frame::File { output: name(&output), path, bytes: 4, content_type });
        }
        Act::OutputDone { output } => say(&Frame::OutputDone {
            output: name(&output),
            entry_points: std::iter::empty::<(String, String)>().collect(),
            warnings: Vec::new(),
            quality: Vec::new(),
        }),
        Act::Done => {
            say(&Frame::Done { steps: vec![StepTiming { step: "fake".into(), wall_ms: 1 }] })
        }
        Act::Failed { failure } => say(&Frame::Failed { failure }),
        act => misbehave(act),
    }
}

fn write(scratch: &Path, (output, path): (&str, &str), contents: &[u8], said_bytes: u64) {
    let file = scratch.join(output).join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, contents).unwrap();
    let (path, content_type) = (path.to_owned(), "image/jpeg".to_owned());
    say(&Frame::File { output: name(output), path, bytes: said_bytes, content_type });
}

/// What each open file beyond the three standard ones is.
fn open_files() -> Vec<String> {
    let files = fs::read_dir("/proc/self/fd").unwrap().map(|file| file.unwrap().path());
    let beyond = files
        .filter(|file| file.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap() > 2);
    beyond.filter_map(|file| Some(fs::read_link(file).ok()?.display().to_string())).collect()
}

fn misbehave(act: Act) {
    match act {
        Act::Garbage { text } => raw(text.as_bytes()),
        Act::HalfAFrame => raw(&[0, 0, 1, 0, b'{']),
        Act::Chatter { bytes } => stderr().write_all(&vec![b'.'; bytes]).unwrap(),
        Act::Abort { last_words } => {
            stderr().write_all(last_words.as_bytes()).unwrap();
            std::process::abort();
        }
        Act::Signal { number } => {
            // The first SIGSEGV only takes the standard library's handler away.
            let signal = Signal::from_named_raw(number).unwrap();
            while kill_process(getpid(), signal).is_ok() {}
        }
        #[expect(clippy::panic, reason = "panicking is what is tested")]
        Act::Panic => panic!("on purpose"),
        #[expect(clippy::exit, reason = "the exit code is what is tested")]
        Act::Exit { code } => std::process::exit(code),
        Act::Grandchild => {
            #[expect(clippy::disallowed_methods, reason = "a grandchild is what is tested")]
            let mut command = std::process::Command::new("/proc/self/exe");
            let other = command.arg("hang").spawn().unwrap().id();
            let step = format!("pids {} {other}", std::process::id());
            say(&Frame::Progress { fraction: 0.5, step });
        }
        Act::WaitFor { path } => {
            while !Path::new(&path).exists() {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        Act::Hang => hang(),
        act => unreachable!("{act:?} is no misbehaviour"),
    }
}

fn raw(bytes: &[u8]) {
    let mut out = stdout().lock();
    out.write_all(bytes).unwrap();
    out.flush().unwrap();
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
