//! A job for each of several sources. One that cannot be submitted holds up no other.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use futures_util::{StreamExt as _, stream};
use panofleet_job_schema::JobId;
use panofleet_producer::api::JobView;
use panofleet_producer::api::view::StateView;
use serde_json::{Value, json};

use super::Submit;
use crate::client::Client;
use crate::commands::{EXIT_JOB_FAILED, EXIT_TROUBLE, Shared, outputs, waiting};
use crate::terminal::{count_bar, say, table};

/// Files that are uploaded at once.
const UPLOADS_MAX: usize = 4;
/// Jobs that are waited for at once, each by a request that the service keeps open.
const WAITS_MAX: usize = 16;

/// What became of a source.
struct Submitted<'a> {
    source: &'a str,
    job: Result<JobView>,
}

pub(super) async fn submit(
    command: &Submit,
    client: &Client,
    sources: &[String],
    shared: &Shared,
) -> Result<ExitCode> {
    if command.idempotency_key.is_some() || command.source_sha256.is_some() {
        bail!("an idempotency key and a SHA-256 are one job's; submit its source alone");
    }
    let bar = count_bar(sources.len() as u64, "submitting", shared.json);
    let each = stream::iter(sources).map(async |source| {
        // Bars of several uploads would write over each other.
        let job = command.submit(client, Some(source), (shared, true)).await;
        bar.inc(1);
        Submitted { source, job }
    });
    let mut done: Vec<Submitted<'_>> = each.buffered(UPLOADS_MAX).collect().await;
    bar.finish_and_clear();
    let waited = command.wait || command.download.is_some();
    if waited {
        wait(client, &mut done, shared.json).await;
    }
    // What became of each is known, whatever can be got of it.
    report(&done, shared.json)?;
    if let Some(folder) = &command.download {
        download(client, &done, folder).await?;
    }
    let has_failed = |job: &JobView| !matches!(job.state, StateView::Succeeded { .. });
    Ok(if done.iter().any(|one| one.job.is_err()) {
        ExitCode::from(EXIT_TROUBLE)
    } else if waited && done.iter().flat_map(|one| &one.job).any(has_failed) {
        ExitCode::from(EXIT_JOB_FAILED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Waits for the end of all jobs.
async fn wait(client: &Client, done: &mut [Submitted<'_>], quiet: bool) {
    let bar = count_bar(done.len() as u64, "waiting", quiet);
    let each = stream::iter(done.iter_mut()).map(async |one| {
        if let Ok(job) = &one.job {
            one.job = waiting::wait(client, job.id, true).await;
        }
        bar.inc(1);
    });
    each.buffer_unordered(WAITS_MAX).collect::<Vec<()>>().await;
    bar.finish_and_clear();
}

/// Gets the outputs of each job that succeeded into a folder of its own, by the name of its source.
async fn download(client: &Client, done: &[Submitted<'_>], folder: &Path) -> Result<()> {
    let mut taken = BTreeSet::new();
    for one in done {
        let Ok(job) = &one.job else { continue };
        if job.links.manifest.is_some() {
            let name = folder_name(one.source, job.id, &mut taken);
            outputs::download(client, job.id, (&folder.join(name), &[]), true).await?;
        }
    }
    Ok(())
}

/// The source's name without its ending; with the job's id behind it where another source has the same.
fn folder_name(source: &str, job: JobId, taken: &mut BTreeSet<String>) -> String {
    let stem = Path::new(source).file_stem().and_then(|stem| stem.to_str());
    // A name that would lead out of the folder, or hide in it.
    let stem = stem.filter(|stem| !stem.starts_with('.')).unwrap_or("job").to_owned();
    if taken.insert(stem.clone()) { stem } else { format!("{stem}-{job}") }
}

fn report(done: &[Submitted<'_>], json: bool) -> Result<()> {
    if json {
        let one = |Submitted { source, job }: &Submitted<'_>| -> Value {
            match job {
                Ok(job) => json!({ "source": source, "job": job }),
                Err(error) => json!({ "source": source, "error": format!("{error:#}") }),
            }
        };
        say(serde_json::to_string_pretty(&done.iter().map(one).collect::<Vec<_>>())?);
        return Ok(());
    }
    let row = |Submitted { source, job }: &Submitted<'_>| match job {
        Ok(job) => vec![job.id.to_string(), job.state.name().to_owned(), (*source).to_owned()],
        Err(error) => {
            vec!["-".to_owned(), "not submitted".to_owned(), format!("{source}: {error:#}")]
        }
    };
    let rows: Vec<_> = done.iter().map(row).collect();
    say(table(&["job", "state", "source"], &rows));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_of_sources_of_one_name_lie_apart() {
        let (mut taken, job) = (BTreeSet::new(), JobId(uuid::Uuid::nil()));
        let mut name = |source| folder_name(source, job, &mut taken);
        assert_eq!(name("a/reef.jpg"), "reef");
        assert_eq!(name("b/reef.png"), format!("reef-{job}"));
        assert_eq!(name("https://example.com/x/city.jpg"), "city");
        assert_eq!(name("a/.."), "job");
    }
}
