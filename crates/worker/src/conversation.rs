//! What a child has said so far, checked: the worker believes nothing that it reads.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::limits::OUTPUT_FILES_MAX;
use panofleet_job_schema::manifest::{FileRecord, OutputRecord, StepTiming};
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::quality::PanoQuality;
use panofleet_job_schema::runner_protocol::Frame;
use panofleet_job_schema::{ErrorClass, Failure, Operation, OutputName};

/// Bytes of a file's path within its output.
const PATH_BYTES_MAX: usize = 512;
/// Bytes of a media type, a step's name, an entry point's purpose.
const WORD_BYTES_MAX: usize = 128;
/// Warnings, entry points and step timings that one list may have.
const LIST_MAX: usize = 256;
/// Bytes of one warning.
const WARNING_BYTES_MAX: usize = 1024;

/// A file that the child says is complete. It is stored, and [`Conversation::stored`] tells its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewFile {
    /// The output that it belongs to.
    pub(crate) output: OutputName,
    /// Path from the output's folder; each part is a plain name.
    pub(crate) path: String,
    /// Its size, if the child says the truth.
    pub(crate) bytes: u64,
    /// Its media type.
    pub(crate) content_type: String,
}

/// What a frame means for the attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    /// Nothing to do.
    Noted,
    /// What the source is.
    Probed(Box<MediaInfo>),
    /// The child moved.
    Moved {
        /// Share of the child's work done, [0, 1].
        fraction: f64,
        /// The step at work.
        step: String,
    },
    /// A file is to be stored.
    File(NewFile),
    /// The child gave up, and says why.
    Failed(Failure),
}

/// What a child that finished has made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    /// What the probe found.
    pub(crate) media: MediaInfo,
    /// The outputs; each prefix is still empty.
    pub(crate) outputs: BTreeMap<OutputName, OutputRecord>,
    /// How long each step took.
    pub(crate) steps: Vec<StepTiming>,
    /// What was odd, each with its output's name before it.
    pub(crate) warnings: Vec<String>,
}

/// One child's side of the protocol.
#[derive(Debug)]
pub(crate) struct Conversation {
    require_sandbox: bool,
    started: bool,
    media: Option<MediaInfo>,
    fraction: f64,
    step: String,
    outputs: BTreeMap<OutputName, OutputSoFar>,
    warnings: Vec<String>,
    steps: Option<Vec<StepTiming>>,
}

#[derive(Debug)]
struct OutputSoFar {
    op: &'static str,
    announced: BTreeSet<String>,
    files: Vec<FileRecord>,
    /// Set when the output is complete.
    entry_points: Option<BTreeMap<String, String>>,
    quality: Vec<PanoQuality>,
}

/// The runner broke the protocol: our own fault, or a child that was taken over.
pub(crate) fn violation(message: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Bug, "runner_protocol", message)
}

impl Conversation {
    /// A child that is to make these outputs and has said nothing yet.
    pub(crate) fn new(outputs: &BTreeMap<OutputName, Operation>, require_sandbox: bool) -> Self {
        let so_far = |operation: &Operation| OutputSoFar {
            op: operation.name(),
            announced: BTreeSet::new(),
            files: Vec::new(),
            entry_points: None,
            quality: Vec::new(),
        };
        Self {
            require_sandbox,
            started: false,
            media: None,
            fraction: 0.0,
            step: String::new(),
            outputs: outputs
                .iter()
                .map(|(name, operation)| (name.clone(), so_far(operation)))
                .collect(),
            warnings: Vec::new(),
            steps: None,
        }
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// A `Bug` if it breaks the protocol.
    pub(crate) fn hear(&mut self, frame: Frame) -> Result<Heard, Failure> {
        if self.steps.is_some() {
            return Err(violation("a frame after the last one"));
        }
        if !self.started && !matches!(frame, Frame::Started { .. } | Frame::Failed { .. }) {
            return Err(violation("a frame before `started`"));
        }
        match frame {
            Frame::Started { sandbox } => {
                if self.require_sandbox && !(sandbox.landlock && sandbox.seccomp) {
                    return Err(violation(format!(
                        "the child runs with less than the sandbox: {sandbox:?}"
                    )));
                }
                tracing::debug!(
                    landlock = sandbox.landlock,
                    seccomp = sandbox.seccomp,
                    "child started"
                );
                self.started = true;
                Ok(Heard::Noted)
            }
            Frame::Probed { media } => {
                self.media = Some((*media).clone());
                Ok(Heard::Probed(media))
            }
            Frame::Progress { fraction, step } => self.progress(fraction, step),
            Frame::File { output, path, bytes, content_type } => {
                self.file(NewFile { output, path, bytes, content_type })
            }
            Frame::OutputDone { output, entry_points, warnings, quality } => {
                self.quality(&output, quality)?;
                self.output_done(&output, entry_points, warnings)
            }
            Frame::Done { steps } => self.done(steps),
            Frame::Failed { failure } => Ok(Heard::Failed(checked_failure(failure))),
        }
    }

    fn progress(&mut self, fraction: f64, step: String) -> Result<Heard, Failure> {
        check_word("a step", &step)?;
        if !(0.0..=1.0).contains(&fraction) {
            return Err(violation(format!("progress {fraction} is not within [0, 1]")));
        }
        let moved = fraction > self.fraction || step != self.step;
        self.fraction = fraction.max(self.fraction);
        self.step = step;
        Ok(if moved {
            Heard::Moved { fraction: self.fraction, step: self.step.clone() }
        } else {
            Heard::Noted
        })
    }

    fn file(&mut self, file: NewFile) -> Result<Heard, Failure> {
        check_path(&file.path)?;
        check_word("a content type", &file.content_type)?;
        let output = open_output(&mut self.outputs, &file.output)?;
        if output.announced.len() == OUTPUT_FILES_MAX {
            return Err(violation(format!(
                "output `{}` has more than {OUTPUT_FILES_MAX} files",
                file.output
            )));
        }
        if !output.announced.insert(file.path.clone()) {
            return Err(violation(format!(
                "file `{}` of output `{}` came twice",
                file.path, file.output
            )));
        }
        Ok(Heard::File(file))
    }

    /// Takes the record of a file that was stored.
    pub(crate) fn stored(&mut self, output: &OutputName, record: FileRecord) {
        if let Some(output) = self.outputs.get_mut(output) {
            output.files.push(record);
        }
    }

    fn quality(&mut self, name: &OutputName, quality: Vec<PanoQuality>) -> Result<(), Failure> {
        let output = open_output(&mut self.outputs, name)?;
        let scores = quality.iter().map(|of| of.seam_scores.len()).max().unwrap_or(0);
        if quality.len().max(scores) > LIST_MAX {
            return Err(violation(format!("output `{name}` has too many measures of quality")));
        }
        output.quality = quality;
        Ok(())
    }

    fn output_done(
        &mut self,
        name: &OutputName,
        entry_points: BTreeMap<String, String>,
        warnings: Vec<String>,
    ) -> Result<Heard, Failure> {
        let output = open_output(&mut self.outputs, name)?;
        if entry_points.len() > LIST_MAX || warnings.len() > LIST_MAX {
            return Err(violation(format!(
                "output `{name}` has too many entry points or warnings"
            )));
        }
        for (purpose, path) in &entry_points {
            check_word("an entry point", purpose)?;
            if !output.announced.contains(path) {
                return Err(violation(format!(
                    "entry point `{purpose}` of output `{name}` is no file of it"
                )));
            }
        }
        if warnings.iter().any(|warning| warning.len() > WARNING_BYTES_MAX) {
            return Err(violation(format!("a warning of output `{name}` is too long")));
        }
        output.entry_points = Some(entry_points);
        self.warnings.extend(warnings.into_iter().map(|warning| format!("{name}: {warning}")));
        Ok(Heard::Noted)
    }

    fn done(&mut self, steps: Vec<StepTiming>) -> Result<Heard, Failure> {
        if steps.len() > LIST_MAX {
            return Err(violation("too many step timings"));
        }
        for timing in &steps {
            check_word("a step", &timing.step)?;
        }
        if self.media.is_none() {
            return Err(violation("done without having probed the source"));
        }
        if let Some((name, _)) =
            self.outputs.iter().find(|(_, output)| output.entry_points.is_none())
        {
            return Err(violation(format!("done without output `{name}`")));
        }
        self.steps = Some(steps);
        Ok(Heard::Noted)
    }

    /// What the child has made, once it said that it is done and every file is stored.
    pub(crate) fn product(self) -> Option<Product> {
        let outputs = self.outputs.into_iter().map(|(name, mut output)| {
            output.files.sort_by(|a, b| a.path.cmp(&b.path));
            let record = OutputRecord {
                op: output.op.to_owned(),
                prefix: String::new(),
                entry_points: output.entry_points.unwrap_or_default(),
                total_bytes: output.files.iter().map(|file| file.bytes).sum(),
                files: output.files,
                quality: output.quality,
            };
            (name, record)
        });
        Some(Product {
            media: self.media?,
            outputs: outputs.collect(),
            steps: self.steps?,
            warnings: self.warnings,
        })
    }
}

/// The output of that name, if it was asked for and is not complete yet.
fn open_output<'a>(
    outputs: &'a mut BTreeMap<OutputName, OutputSoFar>,
    name: &OutputName,
) -> Result<&'a mut OutputSoFar, Failure> {
    match outputs.get_mut(name) {
        None => Err(violation(format!("output `{name}` was not asked for"))),
        Some(output) if output.entry_points.is_some() => {
            Err(violation(format!("output `{name}` goes on after it was done")))
        }
        Some(output) => Ok(output),
    }
}

/// Plain names separated by `/`: nothing that leaves the folder, and nothing that has to be escaped in a URL's path.
fn check_path(path: &str) -> Result<(), Failure> {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b','))
    };
    if path.len() <= PATH_BYTES_MAX && path.split('/').all(plain) {
        return Ok(());
    }
    let shown: String = path.chars().take(80).collect();
    Err(violation(format!("`{shown}` is no path of plain names")))
}

fn check_word(what: &str, word: &str) -> Result<(), Failure> {
    let fits = (1..=WORD_BYTES_MAX).contains(&word.len())
        && word.bytes().all(|b| matches!(b, b' '..=b'~'));
    if fits {
        Ok(())
    } else {
        Err(violation(format!("{what} must be 1 to {WORD_BYTES_MAX} printable letters")))
    }
}

/// A failure from the child, with its texts within their limits.
fn checked_failure(failure: Failure) -> Failure {
    let Failure { class, code, message, detail } = failure;
    let fits = (1..=64).contains(&code.len())
        && code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let checked = Failure::new(class, if fits { &code } else { "runner_failed" }, message);
    match detail {
        Some(detail) => checked.with_detail(detail),
        None => checked,
    }
}

#[cfg(test)]
mod tests;
