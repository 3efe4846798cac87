//! Runs one task in a child, from its start to its end, and stores its files as they come.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use panofleet_job_schema::manifest::{FileRecord, StepTiming};
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::runner_protocol::Task;
use panofleet_job_schema::{ErrorClass, Failure, OutputName, Span};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::conversation::{Conversation, Heard, NewFile, Product, violation};
use crate::metrics;
use crate::runner::{Garbled, Runner, RunningChild};

/// What is run, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Execution<'a> {
    /// What starts the child.
    pub(crate) runner: &'a dyn Runner,
    /// What it is to do.
    pub(crate) task: &'a Task,
    /// A child that moves nothing for this long is killed.
    pub(crate) stall: Duration,
    /// When the attempt's time is up, as far as is known before its source was looked at.
    pub(crate) until: Instant,
    /// Files that are stored at once. At the limit the child is not listened to, and waits.
    pub(crate) stores_max: usize,
    /// What the time is called that storing takes after the child has ended: `upload`.
    pub(crate) store_step: &'a str,
}

/// A file that was stored, and the output that it belongs to.
pub(crate) type Stored = (OutputName, FileRecord);

/// What hears of the child.
pub(crate) struct Ears<S, P, M> {
    /// Is given each file that is complete.
    pub(crate) store: S,
    /// Is given what the source is, and says when the attempt's time is up.
    pub(crate) probed: P,
    /// Hears of progress.
    pub(crate) moved: M,
}

/// Runs a task, and says when the attempt's time is up.
///
/// Dropping the future kills the child's process group at once.
///
/// # Errors
/// The child's failure, that of its end, of its time, of the protocol, or the first of `store`.
pub(crate) async fn execute<S, F, P, M>(
    execution: Execution<'_>,
    ears: Ears<S, P, M>,
) -> Result<(Product, Instant), Failure>
where
    S: FnMut(NewFile) -> F,
    F: Future<Output = Result<Stored, Failure>>,
    P: FnMut(&MediaInfo) -> Instant,
    M: FnMut(f64, String),
{
    let Execution { runner, task, until, .. } = execution;
    let mut child = runner.start(task).await.map_err(|error| {
        Failure::transient("runner_not_started", format!("the runner cannot be started: {error}"))
    })?;
    let mut follow = Following {
        conversation: Conversation::new(&task.outputs, task.limits.require_sandbox),
        storing: FuturesUnordered::new(),
        until,
        ears,
    };
    let exit = match follow.listen(&mut *child, &execution).await {
        Ok(Closed::Silently) => child.exit().await.count(),
        Ok(Closed::With(failure)) => return Err(child.exit().await.count().explain(failure)),
        Err(failure) => {
            metrics::child_ended(&*failure.code);
            return Err(child.kill().await.explain(failure));
        }
    };
    if let Some(failure) = exit.failure() {
        return Err(failure);
    }
    let begun = Instant::now();
    timeout_at(follow.until, follow.store_the_rest()).await.map_err(|_elapsed| timed_out())??;
    let product = follow.conversation.product();
    let mut product = product.ok_or_else(|| {
        exit.explain(violation("the child ended well without having said `done`"))
    })?;
    let wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    product.steps.push(StepTiming { step: execution.store_step.to_owned(), wall_ms });
    Ok((product, follow.until))
}

/// How the child's output came to its end.
enum Closed {
    /// It was closed: the exit status says the rest.
    Silently,
    /// The child said why it gives up.
    With(Failure),
}

/// A child being listened to, and the files on their way.
struct Following<S, F, P, M> {
    conversation: Conversation,
    storing: FuturesUnordered<F>,
    until: Instant,
    ears: Ears<S, P, M>,
}

impl<S, F, P, M> Following<S, F, P, M>
where
    S: FnMut(NewFile) -> F,
    F: Future<Output = Result<Stored, Failure>>,
    P: FnMut(&MediaInfo) -> Instant,
    M: FnMut(f64, String),
{
    async fn listen(
        &mut self,
        child: &mut dyn RunningChild,
        execution: &Execution<'_>,
    ) -> Result<Closed, Failure> {
        let mut last_move = Instant::now();
        loop {
            let room = self.storing.len() < execution.stores_max;
            tokio::select! {
                frame = child.next_frame(), if room => match frame {
                    Ok(None) | Err(Garbled::Cut) => return Ok(Closed::Silently),
                    Err(garbled @ Garbled::NotAFrame(_)) => return Err(violation(garbled.to_string())),
                    Ok(Some(frame)) => match self.conversation.hear(frame)? {
                        Heard::Noted => {}
                        Heard::Probed(media) => self.until = (self.ears.probed)(&media),
                        Heard::Moved { fraction, step } => {
                            last_move = Instant::now();
                            (self.ears.moved)(fraction, step);
                        }
                        Heard::File(file) => {
                            panofleet_service::CrashPoint::WorkerWhileRunning.pass();
                            last_move = Instant::now();
                            self.storing.push((self.ears.store)(file));
                        }
                        Heard::Failed(failure) => return Ok(Closed::With(failure)),
                    },
                },
                Some(stored) = self.storing.next(), if !self.storing.is_empty() => {
                    let (output, record) = stored?;
                    self.conversation.stored(&output, record);
                    // A child that had to wait for the store did not stand still.
                    last_move = Instant::now();
                }
                () = sleep_until(last_move + execution.stall), if room => return Err(stalled(execution.stall)),
                () = sleep_until(self.until) => return Err(timed_out()),
            }
        }
    }

    async fn store_the_rest(&mut self) -> Result<(), Failure> {
        while let Some(stored) = self.storing.next().await {
            let (output, record) = stored?;
            self.conversation.stored(&output, record);
        }
        Ok(())
    }
}

fn stalled(stall: Duration) -> Failure {
    let message = format!("the child made no progress for {} and was killed", Span(stall));
    Failure::new(ErrorClass::Crashed, "stalled", message)
}

/// The attempt's time is up.
pub(crate) fn timed_out() -> Failure {
    let message =
        "the attempt took longer than its timeout; ask for a longer `timeout`, or for less";
    Failure::transient("timed_out", message)
}
