//! The clients: they ask, wait a while, and ask again when no answer came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use panofleet_job_schema::JobId;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::fleet::Member;
use crate::scenario::{Act, Workload};
use crate::world::World;

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(6);
/// How often something is asked for before a client gives up.
const TRIES_MAX: u32 = 40;

/// All clients.
#[derive(Debug)]
pub(crate) struct Clients {
    workload: Workload,
    /// What goes out next, last first.
    asked: Vec<Asked>,
    /// The job that each wish has become.
    jobs: BTreeMap<usize, JobId>,
}

/// A request on its way.
#[derive(Debug)]
struct Asked {
    wish: usize,
    act: Act,
    until: Duration,
    answer: Arc<Mutex<Option<Answer>>>,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Answer {
    status: u16,
    body: Bytes,
}

impl Clients {
    pub(crate) const fn new(workload: Workload) -> Self {
        Self { workload, asked: Vec::new(), jobs: BTreeMap::new() }
    }

    /// Whether everything was asked, and answered or given up.
    pub(crate) fn are_done(&self) -> bool {
        self.workload.acts.is_empty() && self.asked.is_empty()
    }

    /// Hears what was answered, and asks what is due.
    pub(crate) fn turn(&mut self, world: &World, members: &[Member], now: Duration) {
        for asked in std::mem::take(&mut self.asked) {
            let answer = asked.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
            match answer {
                None if asked.until > now && !asked.task.is_finished() => self.asked.push(asked),
                answer => {
                    asked.task.abort();
                    self.heard((world, now), asked.wish, &asked.act, answer);
                }
            }
        }
        while self.workload.acts.first().is_some_and(|(at, _, _)| *at <= now) {
            let (_, wish, act) = self.workload.acts.remove(0);
            self.ask((world, now), members, wish, act);
        }
    }

    fn later(&mut self, at: Duration, wish: usize, act: Act) {
        let place = self.workload.acts.partition_point(|(known, _, _)| *known <= at);
        self.workload.acts.insert(place, (at, wish, act));
    }

    fn ask(&mut self, (world, now): (&World, Duration), members: &[Member], wish: usize, act: Act) {
        let wanted = &self.workload.wishes[wish];
        let request = match (&act, self.jobs.get(&wish)) {
            (Act::Submit { .. }, _) => {
                let body = serde_json::to_vec(&wanted.spec).expect("a spec has only string keys");
                ("/v1/jobs".to_owned(), body)
            }
            (Act::Cancel, Some(job)) => (format!("/v1/jobs/{job}/cancel"), Vec::new()),
            (Act::Replay, Some(job)) => (format!("/v1/jobs/{job}/retry"), Vec::new()),
            // It was never accepted.
            (Act::Cancel | Act::Replay, None) => return,
        };
        let up: Vec<_> = members.iter().filter_map(|member| member.api(wanted.tenant)).collect();
        let mut shared = world.lock();
        let Some(handle) = (!up.is_empty())
            .then(|| shared.random.one_of(&up))
            .and_then(|(process, router)| Some((process.handle()?.clone(), router.clone())))
        else {
            let again = now + shared.random.millis(200, 1000);
            drop(shared);
            return self.later(again, wish, act);
        };
        shared.note(format_args!("client: {act:?} of wish {wish}"));
        drop(shared);
        let answer = Arc::new(Mutex::new(None));
        let (router, slot) = (handle.1, Arc::clone(&answer));
        let task = handle.0.spawn(async move {
            let answered = post(router, request).await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = answered;
        });
        self.asked.push(Asked { wish, act, until: now + PATIENCE, answer, task });
    }

    fn heard(
        &mut self,
        (world, now): (&World, Duration),
        wish: usize,
        act: &Act,
        answer: Option<Answer>,
    ) {
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        let mut shared = world.lock();
        shared.note(format_args!("client: {act:?} of wish {wish}: {status}"));
        let wait = shared.random.millis(200, 2000);
        match (act, status) {
            (Act::Submit { .. }, 200 | 201) => {
                let body: serde_json::Value = answer
                    .and_then(|answer| serde_json::from_slice(&answer.body).ok())
                    .unwrap_or_default();
                let id = body["id"].as_str().and_then(|id| id.parse().ok());
                let id: JobId = id.expect("an accepted job has an id");
                shared.checker.accepted.insert(id);
                self.jobs.insert(wish, id);
            }
            // Without a key, a second request would be a second job.
            (Act::Submit { tries }, 0 | 500..) if *tries < TRIES_MAX => {
                let tries = *tries + 1;
                drop(shared);
                if status != 0 || self.workload.wishes[wish].spec.idempotency_key.is_some() {
                    self.later(now + wait, wish, Act::Submit { tries });
                }
            }
            _ => {}
        }
    }
}

async fn post(router: Router, (path, body): (String, Vec<u8>)) -> Option<Answer> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let response = router.oneshot(request.body(Body::from(body)).ok()?).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some(Answer { status, body })
}
