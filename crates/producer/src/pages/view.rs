//! `GET /view/{job}`: one job and what came of it; a pyramid opens in a viewer.

use std::sync::Arc;

use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{Job, JobId, Timestamp};
use panofleet_jobs_db::{Deletion, Scope};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::assets;
use super::home::badge;
use super::html::{Button, Page, PageError, Text, age};
use super::language::say;
use super::words;
use crate::api::JobView;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::extract::{JobPath, Params, bad_parameter};
use crate::api::manifests::Resolved;
use crate::api::view::StateView;

mod compare;
mod curve;
mod facts;
mod outputs;
mod pyramid;
mod rerun;
mod timeline;

use pyramid::Pyramid;

/// What is to be shown, and from where.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewParams {
    /// The output to open; without it, the first that a viewer can open.
    output: Option<String>,
    /// The viewer.
    #[serde(default)]
    viewer: Viewer,
    /// The eye of a stereo pyramid.
    #[serde(default)]
    eye: Eye,
    /// Where to look, degrees; right is positive.
    yaw: Option<f64>,
    /// Where to look, degrees, [−90, 90]; up is positive.
    pitch: Option<f64>,
    /// Horizontal field of view, degrees, [10, 120].
    hfov: Option<f64>,
    /// `1`: the viewer alone, over the whole window, without controls.
    embed: Option<u8>,
    /// An attempt, and the one to compare it with; without them, the last two.
    attempt: Option<u32>,
    with: Option<u32>,
}

/// The viewers that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Viewer {
    /// Photo Sphere Viewer.
    #[default]
    Psv,
    /// Pannellum.
    Pannellum,
}

/// An eye of a stereo picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Eye {
    /// The only one of most pictures.
    #[default]
    Left,
    /// The other.
    Right,
}

impl ViewParams {
    fn check(&self) -> Result<(), ApiError> {
        for (name, value, min, max) in [
            ("yaw", self.yaw, -360.0, 360.0),
            ("pitch", self.pitch, -90.0, 90.0),
            ("hfov", self.hfov, 10.0, 120.0),
        ] {
            if value.is_some_and(|value| !(min..=max).contains(&value)) {
                return Err(bad_parameter(format!("{name} must be {min} to {max} degrees")));
            }
        }
        Ok(())
    }
}

/// One job and what came of it.
pub(super) async fn view(
    api: Granted,
    job: Result<JobPath, ApiError>,
    params: Result<Params<ViewParams>, ApiError>,
) -> Result<Page, PageError> {
    let (JobPath(id), Params(params)) = (job?, params?);
    params.check()?;
    let (row, job, resolved) = read(&api, id).await?;
    let pyramids = resolved.as_deref().map(|found| Pyramid::all(&found.manifest));
    let pyramids = pyramids.unwrap_or_default();
    let chosen = pyramid::choose(&pyramids, &params)?;
    let mut page = Page { title: words::source(&job.source, &job.labels), ..Page::of(&api) };
    if let Some(pyramid) = chosen.filter(|_| assets::has_viewer()) {
        page.styles.push(params.viewer.style());
        page.scripts.push(params.viewer.script());
        if params.embed == Some(1) {
            page.bare = true;
            page.main = pyramid.frame(&params);
            return Ok(page);
        }
    }
    if assets::has_viewer()
        && resolved.as_deref().is_some_and(|it| outputs::has_stream(&it.manifest))
    {
        page.scripts.push("/viewer/stream.js");
    }
    let history = api.db.history(id).await.map_err(ApiError::from)?;
    let now = api.db.now().await.map_err(ApiError::from)?;
    let deletion = api.db.deletion(job.id).await.map_err(ApiError::from)?;
    let (title, id) = (Text(&page.title), job.id);
    page.main = format!(
        "<h1>{title} {}</h1>\n<p class=\"quiet\">{} {id}</p>\n{}{}{}{}",
        badge(&job),
        say("job", "任务"),
        match &deletion {
            Some(deletion) => deleted(deletion, now),
            None => buttons(&api, &job) + &rerun::form(&api, &job),
        },
        pyramid::section(chosen, &pyramids, &params),
        rest(&job, resolved.as_deref()),
        timeline::section((&row, &job), &history, (params.attempt, params.with), now),
    );
    Ok(page)
}

/// Nothing may be done to it any more.
fn deleted(deletion: &Deletion, now: Timestamp) -> String {
    let Deletion { job, requested_at, outputs_gone_at, .. } = deletion;
    let outputs = match outputs_gone_at {
        Some(at) => say!("its outputs went {}", "输出已于{}删除", age(*at, now)),
        None => say("its outputs are about to go", "输出即将删除").to_owned(),
    };
    let told = say!(
        "Deleted: asked for {}; {outputs}, and this page goes with the rest.",
        "已删除：{}请求；{outputs}，本页将随其余内容一起消失。",
        age(*requested_at, now)
    );
    let link = say("How far it is", "删除进度");
    format!("<p class=\"failure\">{told} <a href=\"/v1/deletions/{job}\">{link}</a></p>\n",)
}

/// What may be done to the job by whoever looks at it.
fn buttons(api: &Granted, job: &JobView) -> String {
    if !api.has(Scope::JobsWrite) || matches!(job.state, StateView::Closing { .. }) {
        return String::new();
    }
    let path = format!("/v1/jobs/{}", job.id);
    let mut buttons = Vec::new();
    if let StateView::Waiting { .. } = job.state {
        let retry = format!("{path}/retry");
        buttons.push(Button::new(say("Run now", "立即运行")).posts(&retry, "").to_string());
    }
    if let StateView::Running { .. } = job.state {
        let question = say(
            "Have its worker let it go? The job goes again, and begins from the start.",
            "让工作节点交还这个任务？任务将重新排队，从头开始。",
        );
        let release = format!("{path}/release");
        let button = Button::new(say("Release", "交还")).posts(&release, "").asks(question);
        buttons.push(button.to_string());
    }
    if job.is_terminal() {
        let question = match job.state {
            StateView::Succeeded { .. } => {
                say("It has a result. Run it once more?", "它已有结果。再运行一次？")
            }
            _ => "",
        };
        let path = format!("{path}/retry");
        buttons.push(
            Button::new(say("Run again", "重新运行")).posts(&path, "").asks(question).to_string(),
        );
    } else {
        let (cancel, retry) = (format!("{path}/cancel"), format!("{path}/retry"));
        let question = say("End this job without a result?", "终止这个任务，不产生结果？");
        let button = Button::new(say("Cancel", "取消")).posts(&cancel, "").asks(question);
        buttons.push(button.undone_by("POST", &retry).to_string());
    }
    if matches!(job.state, StateView::Queued { .. } | StateView::Waiting { .. }) {
        for band in Priority::ALL.into_iter().filter(|band| *band != job.priority) {
            let text = say!("Move to {}", "调到{}", words::band(band));
            let body = json!({ "priority": band }).to_string();
            let before = json!({ "priority": job.priority }).to_string();
            let button = Button::new(&text).patches(&path, &body);
            buttons.push(button.undone_with("PATCH", &path, &before).to_string());
        }
    }
    let question = say(
        "Delete the job with its outputs, its upload and all that is known of it? Nobody can undo this.",
        "删除任务及其输出、上传文件和全部记录？此操作无法撤销。",
    );
    buttons.push(Button::new(say("Delete", "删除")).deletes(&path).asks(question).to_string());
    format!("<p class=\"buttons\">{}</p>\n", buttons.join(" "))
}

async fn read(api: &Granted, id: JobId) -> Result<(Job, JobView, Option<Arc<Resolved>>), ApiError> {
    let (job, view) = api.job_and_view(id).await?;
    if !view.is_terminal() {
        return Ok((job, view, None));
    }
    let resolved = api.manifest(&job, job.generation).await?;
    Ok((job, view, resolved))
}

/// Everything below the viewer.
fn rest(job: &JobView, resolved: Option<&Resolved>) -> String {
    let result = match resolved {
        Some(found) => {
            facts::warnings(&found.manifest)
                + &outputs::section(&found.manifest)
                + &facts::of_result(&found.manifest)
        }
        None => facts::unfinished(job),
    };
    result + &facts::of_job(job)
}
