//! Work that is done once for all who ask for it at about the same time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// Answers questions in groups: those that come while a group is being answered are the next one. Nobody waits for a group
/// to fill up, so a question that comes alone is answered alone, at once; under load a group is as large as the work is slow.
///
/// A group is answered by a task of its own: whoever has asked may go away, and the others still get their answers.
pub struct Gather<Q, A>(Arc<Inner<Q, A>>);

struct Inner<Q, A> {
    waiting: Mutex<Waiting<Q, A>>,
    most: usize,
    work: Box<dyn Fn(Vec<Q>) -> BoxFuture<'static, Vec<A>> + Send + Sync>,
}

struct Waiting<Q, A> {
    asked: Vec<(Q, oneshot::Sender<A>)>,
    at_work: bool,
}

/// The work gave no answer: it panicked, or the runtime ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work ended without an answer")]
pub struct Unanswered;

impl<Q, A> fmt::Debug for Gather<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("most", &self.0.most).finish_non_exhaustive()
    }
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Groups of up to `most` questions (at least one), each answered by a call of `work`, in their order.
    pub fn new<F>(most: usize, work: impl Fn(Vec<Q>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<A>> + Send + 'static,
    {
        let waiting = Mutex::new(Waiting { asked: Vec::new(), at_work: false });
        let work =
            Box::new(move |questions| -> BoxFuture<'static, Vec<A>> { Box::pin(work(questions)) });
        Self(Arc::new(Inner { waiting, most: most.max(1), work }))
    }

    /// The answer. The work for it begins after the call.
    ///
    /// # Errors
    /// [`Unanswered`].
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the questions, and those who wait hold the process up"
    )]
    pub async fn ask(&self, question: Q) -> Result<A, Unanswered> {
        let (teller, told) = oneshot::channel();
        let is_first = {
            let mut waiting = self.0.waiting();
            waiting.asked.push((question, teller));
            !std::mem::replace(&mut waiting.at_work, true)
        };
        if is_first {
            tokio::spawn(Arc::clone(&self.0).answer());
        }
        told.await.map_err(|_dropped| Unanswered)
    }
}

impl<Q: Send + 'static, A: Send + 'static> Inner<Q, A> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<Q, A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::disallowed_methods, reason = "it is waited for right away")]
    async fn answer(self: Arc<Self>) {
        while let Some(group) = self.next_group() {
            let (questions, tellers): (Vec<Q>, Vec<_>) = group.into_iter().unzip();
            // A task of its own: if it panics, those who asked are told by their tellers' end, and the next group comes.
            let Ok(answers) = tokio::spawn((self.work)(questions)).await else { continue };
            for (teller, answer) in tellers.into_iter().zip(answers) {
                // Whoever has gone away needs none.
                drop(teller.send(answer));
            }
        }
    }

    fn next_group(&self) -> Option<Vec<(Q, oneshot::Sender<A>)>> {
        let mut waiting = self.waiting();
        waiting.at_work = !waiting.asked.is_empty();
        let many = waiting.asked.len().min(self.most);
        waiting.at_work.then(|| waiting.asked.drain(..many).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use futures_util::poll;
    use tokio::sync::Semaphore;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;

    /// The question, and how many were answered with it.
    type Answer = (u32, usize);

    /// Answers a group once it is let.
    fn gate(most: usize) -> (Gather<u32, Answer>, Arc<Semaphore>) {
        let open = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&open);
        let gather = Gather::new(most, move |questions: Vec<u32>| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                assert!(!questions.contains(&13), "unlucky");
                let size = questions.len();
                questions.into_iter().map(|question| (question, size)).collect()
            }
        });
        (gather, open)
    }

    /// Somebody who waits.
    type Asked<'a> = BoxFuture<'a, Result<Answer, Unanswered>>;

    /// What they are told, if they are.
    async fn answers(asked: Vec<Asked<'_>>) -> Vec<Result<Answer, Unanswered>> {
        timeout(Duration::from_secs(10), join_all(asked)).await.expect("all are told")
    }

    /// Asks each in turn, and lets the work begin for the first.
    async fn ask(
        gather: &Gather<u32, Answer>,
        questions: impl IntoIterator<Item = u32>,
    ) -> Vec<Asked<'_>> {
        let mut asked: Vec<Asked<'_>> = Vec::new();
        for question in questions {
            let mut answer = Box::pin(gather.ask(question));
            assert!(poll!(answer.as_mut()).is_pending());
            asked.push(answer);
            // One thread: the task that answers runs until it waits, and so does the one of the group.
            yield_now().await;
            yield_now().await;
        }
        asked
    }

    #[tokio::test]
    async fn what_comes_meanwhile_is_the_next_group() {
        let (gather, open) = gate(3);
        let asked = ask(&gather, 1..=6).await;
        open.add_permits(3);
        let all = [(1, 1), (2, 3), (3, 3), (4, 3), (5, 2), (6, 2)].map(Ok);
        assert_eq!(answers(asked).await, all);
        let asked = ask(&gather, [7]).await;
        open.add_permits(1);
        assert_eq!(answers(asked).await, [Ok((7, 1))]);
    }

    #[tokio::test]
    async fn whoever_goes_away_takes_no_answer_from_the_others() {
        let (gather, open) = gate(9);
        let mut asked = ask(&gather, 1..=3).await;
        asked.drain(..2);
        open.add_permits(2);
        assert_eq!(answers(asked).await, [Ok((3, 2))]);
    }

    #[tokio::test]
    async fn a_panic_ends_its_group_only() {
        let (gather, open) = gate(2);
        let asked = ask(&gather, [1, 13, 3, 4]).await;
        open.add_permits(3);
        let all = [Ok((1, 1)), Err(Unanswered), Err(Unanswered), Ok((4, 1))];
        assert_eq!(answers(asked).await, all);
    }
}
