//! Simulated children: what a job's child does stands in the job's source.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use std::{fs, io};

use async_trait::async_trait;
use panofleet_job_schema::manifest::StepTiming;
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::runner_protocol::{Frame, SandboxReport, Task};
use panofleet_job_schema::{Failure, OutputName};
use panofleet_worker::runner::{Exit, Garbled, Runner, RunningChild};
use tokio::time::{Instant, sleep_until};

use crate::link::Link;
use crate::mutant::Mutant;
use crate::random::Random;
use crate::splitting::{self, Share};
use crate::world::Shared;

/// The signal of a child that reads where it must not.
const SIGSEGV: i32 = 11;
/// The signal that a killed child ends with.
const SIGKILL: i32 = 9;

/// What a job's children do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// They make what is asked.
    Good,
    /// As good ones, and take seconds.
    Slow,
    /// As good ones, and outlast every outage.
    Long,
    /// They fail for now, half of them.
    Flaky,
    /// They crash, all of them.
    Poison,
    /// They crash, some of them.
    Shaky,
    /// They refuse the source.
    Rejecting,
    /// They stand still.
    Stalling,
    /// They move, and never come to an end.
    Endless,
    /// They split their job into parts, of which some fail.
    Splitting,
}

impl Nature {
    /// Every nature, by its name in a source.
    const ALL: [(Self, &'static str); 10] = [
        (Self::Good, "good"),
        (Self::Slow, "slow"),
        (Self::Long, "long"),
        (Self::Flaky, "flaky"),
        (Self::Poison, "poison"),
        (Self::Shaky, "shaky"),
        (Self::Rejecting, "rejecting"),
        (Self::Stalling, "stalling"),
        (Self::Endless, "endless"),
        (Self::Splitting, "splitting"),
    ];

    /// The source of a job whose children are like this.
    pub(crate) fn source(self) -> String {
        let name =
            Self::ALL.into_iter().find(|(nature, _)| *nature == self).map_or("", |(_, name)| name);
        // Long enough to be cut on its way.
        format!("{name}\n{}", "x".repeat(2000))
    }

    fn of(source: &[u8]) -> Option<Self> {
        let name = source.split(|byte| *byte == b'\n').next()?;
        Self::ALL.into_iter().find(|(_, known)| known.as_bytes() == name).map(|(nature, _)| nature)
    }
}

impl Nature {
    /// The nature of one attempt: a job that is split has several kinds.
    fn of_share(self, shared: &mut Shared, claim: &str) -> Self {
        match splitting::share(shared, claim) {
            _ if self != Self::Splitting => self,
            Share::Split => Self::Splitting,
            Share::Join => Self::Good,
            Share::Child => *shared.random.one_of(&[
                Self::Good,
                Self::Good,
                Self::Good,
                Self::Slow,
                Self::Flaky,
                Self::Shaky,
                Self::Rejecting,
            ]),
        }
    }
}

/// The children that live.
#[derive(Debug, Default)]
pub(crate) struct Children {
    /// By number: the process that started it, its claim's folder, since when.
    pub(crate) living: BTreeMap<u64, (&'static str, String, Duration)>,
    started: u64,
}

/// Starts simulated children, for one worker.
#[derive(Debug)]
pub(crate) struct SimulatedRunner(pub Link);

#[async_trait]
impl Runner for SimulatedRunner {
    async fn start(&self, task: &Task) -> io::Result<Box<dyn RunningChild>> {
        let nature = fs::read(&task.source).ok().and_then(|source| Nature::of(&source));
        let mut world = self.0.world.enter();
        let Shared { faults, random, .. } = &mut *world;
        if faults.spawn_fails(random) {
            return Err(io::Error::other("no process can be started now"));
        }
        let claim = Path::new(&task.scratch).parent().and_then(Path::file_name);
        let claim = claim.unwrap_or_default().to_string_lossy().into_owned();
        let nature = nature.map(|nature| nature.of_share(&mut world, &claim));
        world.children.started += 1;
        let (number, now) = (world.children.started, world.now);
        world.children.living.insert(number, (self.0.process, claim.clone(), now));
        world
            .note(format_args!("{}: child {number} of {claim} starts: {nature:?}", self.0.process));
        let mut child = Child {
            link: self.0.clone(),
            number,
            scratch: PathBuf::from(&task.scratch),
            script: script(nature, task, &mut world.random),
            next_at: Instant::now(),
            exit: ExitStatus::from_raw(0),
        };
        child.exit = ending(nature, &mut child.script, &mut world.random);
        drop(world);
        Ok(Box::new(child))
    }
}

/// What a child says, each line after a wait.
type Script = VecDeque<(Duration, Said)>;

#[derive(Clone, Debug)]
enum Said {
    Frame(Frame),
    /// Its output ends.
    End,
}

fn script(nature: Option<Nature>, task: &Task, random: &mut Random) -> Script {
    let mut script = Script::new();
    let sandbox = SandboxReport { landlock: true, seccomp: true };
    script.push_back((random.millis(1, 20), Said::Frame(Frame::Started { sandbox })));
    if nature == Some(Nature::Rejecting) {
        let failure = Failure::rejected("not_media", "the source is no picture");
        script.push_back((random.millis(10, 200), Said::Frame(Frame::Failed { failure })));
        script.push_back((Duration::ZERO, Said::End));
        return script;
    }
    if nature == Some(Nature::Splitting) {
        let failure = splitting::to_be_split();
        script.push_back((random.millis(10, 1000), Said::Frame(Frame::Failed { failure })));
        script.push_back((Duration::ZERO, Said::End));
        return script;
    }
    let media =
        Box::new(MediaInfo { container: "jpeg".to_owned(), bytes: 1000, ..MediaInfo::default() });
    script.push_back((random.millis(10, 100), Said::Frame(Frame::Probed { media })));
    let (steps, step_ms) = match nature {
        Some(Nature::Slow) => (6, 900),
        Some(Nature::Long) => (50, 900),
        Some(Nature::Endless) => (1000, 900),
        Some(Nature::Stalling) => (1, 3_600_000),
        _ => (4, random.between(20, 400)),
    };
    for step in 1..=steps {
        let fraction = f64::from(step) / f64::from(steps + 1);
        let progress = Frame::Progress { fraction, step: "work".to_owned() };
        script.push_back((random.millis(step_ms / 2, step_ms), Said::Frame(progress)));
    }
    for name in task.outputs.keys() {
        script.extend(output(name, random));
    }
    let steps = vec![StepTiming { step: "work".to_owned(), wall_ms: 1 }];
    script.push_back((Duration::ZERO, Said::Frame(Frame::Done { steps })));
    script.push_back((random.millis(0, 10), Said::End));
    script
}

fn output(name: &OutputName, random: &mut Random) -> [(Duration, Said); 2] {
    let path = "probe.json".to_owned();
    let file = Frame::File {
        output: name.clone(),
        path: path.clone(),
        bytes: FILE.len() as u64,
        content_type: "application/json".to_owned(),
    };
    let entry_points = BTreeMap::from([("probe".to_owned(), path)]);
    let (output, warnings, quality) = (name.clone(), Vec::new(), Vec::new());
    let done = Frame::OutputDone { output, entry_points, warnings, quality };
    [(random.millis(1, 50), Said::Frame(file)), (Duration::ZERO, Said::Frame(done))]
}

/// What every file of an output says.
const FILE: &[u8] = b"{\"simulated\":true}";

/// How a child exits; one that crashes says no more after some line.
fn ending(nature: Option<Nature>, script: &mut Script, random: &mut Random) -> ExitStatus {
    let fails = match nature {
        Some(Nature::Poison) => true,
        Some(Nature::Flaky) => random.happens(5000),
        Some(Nature::Shaky) => random.happens(3500),
        _ => false,
    };
    if !fails {
        return ExitStatus::from_raw(0);
    }
    let lines = random.between(2, script.len() as u64 - 2);
    script.truncate(usize::try_from(lines).unwrap_or(usize::MAX));
    if nature == Some(Nature::Flaky) {
        let failure = Failure::transient("flaky", "the child could not do it now");
        script.push_back((Duration::ZERO, Said::Frame(Frame::Failed { failure })));
    }
    script.push_back((random.millis(0, 100), Said::End));
    ExitStatus::from_raw(if nature == Some(Nature::Flaky) { 0 } else { SIGSEGV })
}

/// A simulated child.
struct Child {
    link: Link,
    number: u64,
    scratch: PathBuf,
    script: Script,
    /// From when on the wait of the next line counts.
    next_at: Instant,
    exit: ExitStatus,
}

impl Child {
    fn ended(&self, shared: &mut Shared, how: &str) {
        if shared.is_mutant(Mutant::ChildrenOutliveTheirKill) && how == "killed" {
            return;
        }
        if shared.children.living.remove(&self.number).is_some() {
            shared.note(format_args!("{}: child {} {how}", self.link.process, self.number));
        }
    }
}

#[async_trait]
impl RunningChild for Child {
    async fn next_frame(&mut self) -> Result<Option<Frame>, Garbled> {
        let Some((wait, _)) = self.script.front() else { return Ok(None) };
        let at = self.next_at + *wait;
        sleep_until(at).await;
        self.next_at = at;
        match self.script.pop_front() {
            Some((_, Said::Frame(frame))) => {
                if let Frame::File { output, path, .. } = &frame {
                    let folder = self.scratch.join(output.as_str());
                    let written = fs::create_dir_all(&folder)
                        .and_then(|()| fs::write(folder.join(path), FILE));
                    written.map_err(|error| Garbled::NotAFrame(error.to_string()))?;
                }
                Ok(Some(frame))
            }
            Some((_, Said::End)) | None => Ok(None),
        }
    }

    async fn exit(self: Box<Self>) -> Exit {
        self.ended(&mut self.link.world.enter(), "exits");
        Exit { status: Ok(self.exit), last_words: String::new(), lingered: false }
    }

    async fn kill(self: Box<Self>) -> Exit {
        self.ended(&mut self.link.world.enter(), "killed");
        Exit {
            status: Ok(ExitStatus::from_raw(SIGKILL)),
            last_words: String::new(),
            lingered: false,
        }
    }
}

impl Drop for Child {
    /// Also when its worker is killed: the kernel kills the child of a dead parent.
    fn drop(&mut self) {
        self.ended(&mut self.link.world.lock(), "killed");
    }
}
