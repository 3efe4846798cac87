//! What happens to a task, in order.

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use panofleet_job_schema::manifest::StepTiming;
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::operation::{
    ConvertPlan, IccPolicy, Plan, RenderPlan, RetouchPlan, SpinPlan, StitchPlan, ThumbnailPlan,
    TilesPlan,
};
use panofleet_job_schema::runner_protocol::{Frame, Task, read_frame};
use panofleet_job_schema::{Failure, OutputName};
use panofleet_media::icc::Profile;
use panofleet_media::{Decoded, StoredFrame};
use panofleet_raster::RasterError;

use crate::error::StepError;
use crate::output::Output;
use crate::panics;
use crate::report::Report;
use crate::sandbox;
use crate::steps::pictures::Origin;
use crate::steps::video::{Footage, VideoStep};
use crate::steps::{Summary, convert, probe, render, retouch, spin, stitch, thumbnail, tiles};

mod deep;
mod memory;

/// Does one task; true if it was done, false if it failed and the worker knows why.
///
/// # Errors
/// No task came in, or there is nobody to report to.
pub(crate) fn serve() -> io::Result<bool> {
    let report = Report::new(sandbox::descriptors::take_standard_output()?);
    let task = read_frame::<Task>(&mut io::stdin().lock())?
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "no task on standard input"))?;
    let last = match panics::caught(|| run(&task, &report)) {
        Ok(steps) => Frame::Done { steps },
        Err(failure) => Frame::Failed { failure },
    };
    report.send(&last)?;
    Ok(matches!(last, Frame::Done { .. }))
}

fn run(task: &Task, report: &Report) -> Result<Vec<StepTiming>, Failure> {
    // Asked before the sandbox stands: the answer is in /sys.
    let threads = threads(task);
    let sandbox = sandbox::enter(task)?;
    send(report, &Frame::Started { sandbox })?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|error| {
        Failure::transient("threads_refused", format!("cannot start {threads} threads: {error}"))
    })?;

    let mut steps = Steps::default();
    let media = steps.time("probe", || panofleet_media::probe(Path::new(&task.source)))?;
    // What is reported goes into the job and the manifest, which lies beside the outputs; the place where a picture
    // was taken is only in the file that a probe was asked for.
    send(report, &Frame::Probed { media: Box::new(media.clone().without_location()) })?;

    let Plans { probes, jobs, deep, videos } = plans(task, &media)?;
    memory::check_jobs(task, threads, &media, &jobs)?;
    memory::check_deep(task, threads, &media, &deep)?;
    memory::check_videos(task, threads, &videos)?;
    let memory_bytes = memory::for_videos(task, threads);
    let footage = Footage { source: Path::new(&task.source), threads, memory_bytes };
    report.expect(
        decode_px(&media)
            + jobs.iter().map(|job| job.plan.work_px()).sum::<u64>()
            + deep::work_px(&media, &deep)
            + videos.iter().map(|(_, step)| step.work_px(footage)).sum::<u64>(),
    );
    let work = Work { task, report, media: &media };
    for name in probes {
        work.output(name, &mut steps, "write probe", |output| probe::run(&media, output))?;
    }
    work.do_jobs(&jobs, &mut steps)?;
    work.do_deep(&deep, &mut steps)?;
    for (name, step) in &videos {
        work.output(name, &mut steps, step.name(), |output| step.run(footage, output))?;
    }
    Ok(steps.0)
}

/// An output that needs pixels.
struct Job<'t> {
    name: &'t OutputName,
    plan: PixelPlan,
}

enum PixelPlan {
    Thumbnail(ThumbnailPlan),
    Convert(ConvertPlan),
    Render(RenderPlan),
    Retouch(RetouchPlan),
    Stitch(Box<StitchPlan>),
    Spin(Box<SpinPlan>),
    Tiles(TilesPlan),
}

impl PixelPlan {
    const fn icc(&self) -> IccPolicy {
        match self {
            Self::Thumbnail(plan) => plan.icc,
            Self::Convert(plan) => plan.icc,
            Self::Render(plan) => plan.output.icc,
            Self::Retouch(plan) => plan.output.icc,
            Self::Stitch(plan) => plan.output.icc,
            Self::Spin(_) => IccPolicy::Srgb,
            Self::Tiles(plan) => plan.icc,
        }
    }

    /// Outputs that keep the source's colours go before the pixels are converted; those that only look at
    /// the pixels go before those that may take them.
    fn turn(&self) -> (bool, bool) {
        (
            self.icc() == IccPolicy::Srgb,
            !matches!(
                self,
                Self::Thumbnail(_) | Self::Convert(_) | Self::Stitch(_) | Self::Spin(_)
            ),
        )
    }

    /// Whether it can be made of what a JPEG stores.
    fn takes_stored(&self) -> bool {
        match self {
            Self::Thumbnail(plan) => thumbnail::takes_stored(plan),
            Self::Tiles(plan) => tiles::takes_stored(plan),
            _ => false,
        }
    }

    const fn step(&self) -> &'static str {
        match self {
            Self::Thumbnail(_) => "thumbnail",
            Self::Convert(_) => "convert",
            Self::Render(_) => "render",
            Self::Retouch(_) => "retouch",
            Self::Stitch(_) => "stitch",
            Self::Spin(_) => "spin",
            Self::Tiles(_) => "tiles",
        }
    }

    fn work_px(&self) -> u64 {
        match self {
            Self::Thumbnail(plan) => thumbnail::work_px(plan),
            Self::Convert(plan) => convert::work_px(plan),
            Self::Render(plan) => render::work_px(plan),
            Self::Retouch(plan) => retouch::work_px(plan),
            Self::Stitch(plan) => stitch::work_px(plan),
            Self::Spin(plan) => spin::work_px(plan),
            Self::Tiles(plan) => tiles::work_px(plan),
        }
    }

    fn memory_px(&self) -> u64 {
        match self {
            Self::Thumbnail(plan) => thumbnail::memory_px(plan),
            Self::Convert(plan) => convert::memory_px(plan),
            Self::Render(plan) => render::memory_px(plan),
            Self::Retouch(plan) => retouch::memory_px(plan),
            Self::Stitch(plan) => stitch::memory_px(plan),
            Self::Spin(plan) => spin::memory_px(plan),
            Self::Tiles(plan) => tiles::memory_px(plan),
        }
    }
}

/// Whether all outputs can be made of what a JPEG stores.
fn takes_stored(jobs: &[Job<'_>]) -> bool {
    !jobs.is_empty() && jobs.iter().all(|job| job.plan.takes_stored())
}

/// Whether all outputs keep the source's colours.
fn keeps_profile(jobs: &[Job<'_>]) -> bool {
    jobs.iter().all(|job| job.plan.icc() == IccPolicy::Keep)
}

/// What there is to do.
#[derive(Default)]
struct Plans<'t> {
    /// Outputs that need no pixels.
    probes: Vec<&'t OutputName>,
    /// Outputs of a still picture, in the order of work.
    jobs: Vec<Job<'t>>,
    /// Outputs of a still picture, of 16 bits.
    deep: Vec<(&'t OutputName, RenderPlan)>,
    /// Outputs of a video.
    videos: Vec<(&'t OutputName, VideoStep)>,
}

/// Every plan. One that is refused refuses the task, because a job's outputs stand or fall together.
fn plans<'t>(task: &'t Task, media: &MediaInfo) -> Result<Plans<'t>, Failure> {
    let Plans { mut probes, mut jobs, mut deep, mut videos } = Plans::default();
    for (name, operation) in &task.outputs {
        let named = |failure: Failure| {
            let message = format!("output `{name}`: {}", failure.message);
            Failure::new(failure.class, &failure.code, message)
        };
        // A picture that cannot be read is refused by its format, whatever its size.
        let readable = panofleet_media::check_has_pixels(media);
        let plan = match operation.plan(media) {
            Ok(Plan::Probe) => {
                probes.push(name);
                continue;
            }
            planned => readable.and(planned).map_err(named)?,
        };
        let plan = match plan {
            Plan::Thumbnail(plan) => PixelPlan::Thumbnail(plan),
            Plan::Convert(plan) => PixelPlan::Convert(plan),
            Plan::Render(plan) if plan.depth_bits > 8 => {
                deep.push((name, plan));
                continue;
            }
            Plan::Render(plan) => PixelPlan::Render(plan),
            Plan::Retouch(plan) => PixelPlan::Retouch(plan),
            Plan::Stitch(plan) => PixelPlan::Stitch(plan),
            Plan::Spin(plan) => PixelPlan::Spin(plan),
            Plan::Tiles(plan) => PixelPlan::Tiles(plan),
            Plan::Poster(plan) => {
                videos.push((name, VideoStep::Poster(plan)));
                continue;
            }
            Plan::Sprites(plan) => {
                videos.push((name, VideoStep::Sprites(plan)));
                continue;
            }
            Plan::Transcode(plan) => {
                videos.push((name, VideoStep::Transcode(plan)));
                continue;
            }
            Plan::Reproject(plan) => {
                videos.push((name, VideoStep::Reproject(plan)));
                continue;
            }
            Plan::Ladder(plan) => {
                videos.push((name, VideoStep::Ladder(plan)));
                continue;
            }
            Plan::Probe => continue,
        };
        jobs.push(Job { name, plan });
    }
    jobs.sort_by_key(|job| job.plan.turn());
    deep.sort_by_key(|(_, plan)| plan.output.icc == IccPolicy::Srgb);
    Ok(Plans { probes, jobs, deep, videos })
}

/// What the steps have in common.
struct Work<'a> {
    task: &'a Task,
    report: &'a Report,
    media: &'a MediaInfo,
}

impl Work<'_> {
    /// The source is decoded once, for the first job, and given up with the last.
    fn do_jobs(&self, jobs: &[Job<'_>], steps: &mut Steps) -> Result<(), Failure> {
        if takes_stored(jobs)
            && let Some(frame) = self.decode_stored(jobs, steps)?
        {
            return self.do_stored(jobs, &frame, steps);
        }
        let mut held = None;
        for (index, job) in jobs.iter().enumerate() {
            let decoded = steps.source(
                held.take(),
                job.plan.icc(),
                || self.decode(),
                Decoded::<u8>::into_srgb,
            )?;
            let keep = index + 1 < jobs.len();
            self.output(job.name, steps, job.plan.step(), |output| {
                let (summary, rest) = self.do_job(&job.plan, decoded, keep, output)?;
                held = rest;
                Ok(summary)
            })?;
        }
        Ok(())
    }

    /// Runs one plan on the pixels, and hands them back if they are to be kept.
    fn do_job(
        &self,
        plan: &PixelPlan,
        decoded: Decoded,
        keep: bool,
        output: &Output<'_>,
    ) -> Result<(Summary, Option<Decoded>), StepError> {
        let Decoded { picture, profile, exif, warnings } = decoded;
        let icc = profile.as_ref().map(Profile::bytes);
        let gpano = self.media.gpano.as_ref();
        let context = tiles::Context { icc, gpano };
        let origin = Origin { icc, gpano, exif: exif.as_ref() };
        let (mut summary, picture) = match (plan, keep) {
            (PixelPlan::Thumbnail(plan), _) => {
                (thumbnail::run(plan, &picture, origin, output)?, Some(picture))
            }
            (PixelPlan::Convert(plan), _) => {
                (convert::run(plan, &picture, origin, output)?, Some(picture))
            }
            (PixelPlan::Stitch(plan), _) => {
                (stitch::run(plan, &picture, origin, output)?, Some(picture))
            }
            (PixelPlan::Spin(plan), _) => (spin::run(plan, &picture, output)?, Some(picture)),
            (PixelPlan::Render(plan), true) => {
                (render::run(plan, Cow::Borrowed(&picture), origin, output)?, Some(picture))
            }
            (PixelPlan::Render(plan), false) => {
                (render::run(plan, Cow::Owned(picture), origin, output)?, None)
            }
            (PixelPlan::Retouch(plan), true) => {
                (retouch::run(plan, Cow::Borrowed(&picture), origin, output)?, Some(picture))
            }
            (PixelPlan::Retouch(plan), false) => {
                (retouch::run(plan, Cow::Owned(picture), origin, output)?, None)
            }
            (PixelPlan::Tiles(plan), true) => {
                let pixels = tiles::Pixels::Rgb(Cow::Borrowed(&picture));
                (tiles::run(plan, pixels, &context, output)?, Some(picture))
            }
            (PixelPlan::Tiles(plan), false) => {
                let pixels = tiles::Pixels::Rgb(Cow::Owned(picture));
                (tiles::run(plan, pixels, &context, output)?, None)
            }
        };
        summary.warnings.extend_from_slice(&warnings);
        let rest =
            picture.filter(|_| keep).map(|picture| Decoded { picture, profile, exif, warnings });
        Ok((summary, rest))
    }

    /// The source as it is stored, if every job can be made of that.
    fn decode_stored(
        &self,
        jobs: &[Job<'_>],
        steps: &mut Steps,
    ) -> Result<Option<StoredFrame>, Failure> {
        let keep = keeps_profile(jobs);
        let begun = Instant::now();
        let path = Path::new(&self.task.source);
        let found = panofleet_media::decode_stored(path, keep).map_err(StepError::from)?;
        if found.is_some() {
            steps.add("decode", begun.elapsed());
            self.report.advance(decode_px(self.media), "decode").map_err(StepError::Report)?;
        }
        Ok(found)
    }

    fn do_stored(
        &self,
        jobs: &[Job<'_>],
        frame: &StoredFrame,
        steps: &mut Steps,
    ) -> Result<(), Failure> {
        for job in jobs {
            let icc = match job.plan.icc() {
                IccPolicy::Keep => frame.profile.as_ref().map(Profile::bytes),
                IccPolicy::Srgb => None,
            };
            let gpano = self.media.gpano.as_ref();
            let context = tiles::Context { icc, gpano };
            let origin = Origin { icc, gpano, exif: None };
            self.output(job.name, steps, job.plan.step(), |output| {
                let mut summary = match &job.plan {
                    PixelPlan::Thumbnail(plan) => {
                        thumbnail::run_stored(plan, frame, origin, output)?
                    }
                    PixelPlan::Tiles(plan) => {
                        tiles::run(plan, tiles::Pixels::Stored(frame), &context, output)?
                    }
                    // None that takes what a JPEG stores.
                    _ => return Err(StepError::EmptySize),
                };
                summary.warnings.extend_from_slice(&frame.warnings);
                Ok(summary)
            })?;
        }
        Ok(())
    }

    fn decode(&self) -> Result<Decoded, StepError> {
        let advance = |pixels| self.report.advance(pixels, "decode").map_err(StepError::Report);
        advance(0)?;
        let decoded = panofleet_media::decode(Path::new(&self.task.source))?;
        advance(decode_px(self.media))?;
        Ok(decoded)
    }

    /// Makes one output, timed under its name, and reports it.
    fn output(
        &self,
        name: &OutputName,
        steps: &mut Steps,
        step: &str,
        make: impl FnOnce(&Output<'_>) -> Result<Summary, StepError>,
    ) -> Result<(), Failure> {
        let Summary { entry_points, warnings, quality } = steps
            .time(&format!("{name}: {step}"), || {
                make(&Output::create(Path::new(&self.task.scratch), name, self.report)?)
            })?;
        let output = name.clone();
        send(self.report, &Frame::OutputDone { output, entry_points, warnings, quality })
    }
}

/// How long each step took, in the order in which they ran.
#[derive(Default)]
struct Steps(Vec<StepTiming>);

impl Steps {
    fn time<T, E: Into<Failure>>(
        &mut self,
        step: &str,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        let result = work().map_err(E::into);
        self.add(step, start.elapsed());
        result
    }

    /// The source as it is held, or decoded if it is not, in the colours that are asked for.
    fn source<T>(
        &mut self,
        held: Option<T>,
        icc: IccPolicy,
        decode: impl FnOnce() -> Result<T, StepError>,
        into_srgb: impl FnOnce(T) -> Result<T, RasterError>,
    ) -> Result<T, Failure> {
        let decoded = match held {
            Some(decoded) => decoded,
            None => self.time("decode", decode)?,
        };
        match icc {
            IccPolicy::Keep => Ok(decoded),
            IccPolicy::Srgb => self.time("colour", || into_srgb(decoded).map_err(StepError::from)),
        }
    }

    fn add(&mut self, step: &str, took: Duration) {
        let wall_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.0.push(StepTiming { step: step.to_owned(), wall_ms });
    }
}

fn threads(task: &Task) -> usize {
    match task.limits.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        said => said as usize,
    }
}

fn decode_px(media: &MediaInfo) -> u64 {
    media.picture.as_ref().map_or(0, |p| u64::from(p.width_px) * u64::from(p.height_px))
}

fn send(report: &Report, frame: &Frame) -> Result<(), Failure> {
    report.send(frame).map_err(|error| StepError::Report(error).into())
}
