//! `panofleet submit`: jobs for files, objects and addresses.
//!
//! | you look for | file |
//! |---|---|
//! | files of folders and patterns | `submit/sources.rs` |
//! | a job for each of several sources | `submit/many.rs` |
//! | jobs that are written already, one a line | `submit/lines.rs` |

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use panofleet_job_schema::ids::PresetName;
use panofleet_job_schema::limits;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::spec::Priority;
use panofleet_job_schema::{JobSpec, Operation, OutputName, Region, Span, Timestamp};
use panofleet_producer::api::JobView;
use serde_json::{Map, Value, json};

use super::{Shared, outputs, waiting};
use crate::client::Client;
use crate::terminal::say;
use crate::uploading::{Uploaded, upload};

mod lines;
mod many;
mod sources;

/// Submit jobs
#[derive(Debug, Args)]
#[command(after_help = "An output is NAME=OPERATION, with parameters after commas:
  --output tiles=pano.tiles,quality=90 --output small=image.thumbnail,width_px=512
`panofleet operations` lists the operations and their parameters, `panofleet presets` the presets.")]
pub(crate) struct Submit {
    /// Files, folders (all files below them), patterns such as 'photos/*.jpg', `s3://bucket/key`, `https://…`, or `none` for a `fleet.noop`: a job for each
    sources: Vec<String>,
    /// An output to make; repeatable
    #[arg(long = "output", value_name = "NAME=OPERATION")]
    outputs: Vec<String>,
    /// A named set of outputs, such as pano-share; outputs of the same names stand in its place
    #[arg(long, value_name = "NAME", conflicts_with = "job")]
    preset: Option<PresetName>,
    /// The whole job as JSON instead; its source may be left out if one is given
    #[arg(long, value_name = "FILE", conflicts_with = "outputs")]
    job: Option<std::path::PathBuf>,
    /// Jobs as JSON instead, one a line; `-` reads them from standard input. Each line gets its own verdict
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sources", "job", "outputs", "preset", "source_sha256", "region", "regions", "any_region", "hop_after", "priority", "start_at", "timeout", "deadline", "max_attempts", "idempotency_key", "labels", "wait", "download"])]
    lines: Option<std::path::PathBuf>,
    /// What the SHA-256 of the source has to be; another file is rejected
    #[arg(long, value_name = "HEX")]
    source_sha256: Option<String>,
    /// The region to run in
    #[arg(long)]
    region: Option<Region>,
    /// Regions to run in, the preferred one first, such as hangzhou,us-west: where it waits for too long it goes on
    #[arg(long, value_delimiter = ',', conflicts_with = "region")]
    regions: Vec<Region>,
    /// Run in any region, where the source lies if there is room
    #[arg(long, conflicts_with_all = ["region", "regions"])]
    any_region: bool,
    /// How long to wait in a region before it goes on, such as 5m
    #[arg(long, value_name = "TIME")]
    hop_after: Option<Span>,
    /// high, normal or low
    #[arg(long, value_parser = super::act::priority)]
    priority: Option<Priority>,
    /// When it may start at the earliest, such as 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME")]
    start_at: Option<Timestamp>,
    /// Longest run of one attempt, such as 10m
    #[arg(long)]
    timeout: Option<Span>,
    /// Longest time until the job has to be finished, such as 24h
    #[arg(long)]
    deadline: Option<Span>,
    /// Failed attempts before the job is given up
    #[arg(long)]
    max_attempts: Option<u32>,
    /// A second submit with this key is the same job
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// A label to find the job by; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE")]
    labels: Vec<String>,
    /// Wait for the end, with progress, and report it
    #[arg(long)]
    wait: bool,
    /// Wait for the end, and get the outputs into this folder; those of several jobs into a folder each
    #[arg(long, value_name = "DIR")]
    download: Option<std::path::PathBuf>,
}

impl Submit {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        if let Some(path) = &self.lines {
            return lines::submit(&client, path, shared.json).await;
        }
        let sources = sources::expand(&self.sources)?;
        match sources.as_slice() {
            [] => self.run_one(&client, None, shared).await,
            [source] if self.sources.len() == 1 && *source == self.sources[0] => {
                self.run_one(&client, Some(source), shared).await
            }
            several => many::submit(self, &client, several, shared).await,
        }
    }

    async fn run_one(
        &self,
        client: &Client,
        source: Option<&str>,
        shared: &Shared,
    ) -> Result<ExitCode> {
        let job = self.submit(client, source, (shared, shared.json)).await?;
        if self.wait || self.download.is_some() {
            let ended = waiting::wait_and_report(client, job.id, shared.json).await?;
            if let Some(folder) = self.download.as_deref().filter(|_| ended == ExitCode::SUCCESS) {
                let done = outputs::download(client, job.id, (folder, &[]), shared.json).await?;
                if !shared.json {
                    say(done.in_words());
                }
            }
            return Ok(ended);
        }
        if shared.json {
            say(serde_json::to_string_pretty(&job)?);
        } else {
            say(job.id.to_string());
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Submits a job for one source, which is uploaded if it is a file.
    async fn submit(
        &self,
        client: &Client,
        source: Option<&str>,
        (shared, quiet): (&Shared, bool),
    ) -> Result<JobView> {
        let mut spec = self.spec(source)?;
        // Refused here, before anything is uploaded.
        let placeholder = Source::Upload(uuid::Uuid::nil());
        let source = match spec.get("source").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => bail!("name a source: a file, s3://bucket/key or https://…"),
        };
        let remote =
            source.parse::<Source>().ok().filter(|source| !matches!(source, Source::File(_)));
        spec.insert("source".into(), json!(remote.clone().unwrap_or(placeholder)));
        let mut spec: JobSpec = serde_json::from_value(Value::Object(spec))?;
        spec.check()?;
        let mut uploaded: Option<Uploaded> = None;
        if remote.is_none() {
            let path = source.strip_prefix("file:").unwrap_or(&source);
            let notes = shared.upload_notes();
            let sent = upload(client, Path::new(path), &notes, quiet).await?;
            spec.source = sent.source.clone();
            uploaded = Some(sent);
            // What people know the picture by; an upload has no name of its own.
            if let Some(name) = Path::new(path).file_name().and_then(|name| name.to_str())
                && name.len() <= limits::LABEL_VALUE_BYTES_MAX
            {
                spec.labels.entry("file".to_owned()).or_insert_with(|| name.to_owned());
            }
        }
        let job = client.submit(&spec).await?;
        if let Some(uploaded) = uploaded {
            uploaded.used();
        }
        Ok(job)
    }

    /// The source of a schedule's jobs.
    pub(super) fn only_source(&self) -> Result<Option<&str>> {
        match self.sources.as_slice() {
            [] => Ok(None),
            [source] => Ok(Some(source)),
            _ => bail!("name one source: a schedule makes one job a tick"),
        }
    }

    /// The job as JSON, its source as it was given.
    pub(super) fn spec(&self, source: Option<&str>) -> Result<Map<String, Value>> {
        let mut spec = match &self.job {
            Some(path) => read_job(path)?,
            None => named_outputs(&self.outputs, self.preset.as_ref())?,
        };
        let mut put = |key: &str, value: Value| {
            if !value.is_null() {
                spec.insert(key.to_owned(), value);
            }
        };
        put("source", json!(source));
        put("source_sha256", json!(self.source_sha256));
        put("region", json!(self.region));
        put("regions", json!(Some(&self.regions).filter(|regions| !regions.is_empty())));
        put("any_region", json!(self.any_region.then_some(true)));
        put("hop_after", json!(self.hop_after));
        put("priority", json!(self.priority));
        put("start_at", json!(self.start_at));
        put("timeout", json!(self.timeout));
        put("deadline", json!(self.deadline));
        put("max_attempts", json!(self.max_attempts));
        put("idempotency_key", json!(self.idempotency_key));
        if !self.labels.is_empty() {
            put("labels", json!(parse_labels(&self.labels)?));
        }
        Ok(spec)
    }
}

/// A job file as JSON.
pub(super) fn read_job(path: &Path) -> Result<Map<String, Value>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} is not a job"))
}

/// What to make, as the command line says it: outputs, a preset, or both.
pub(super) fn named_outputs(
    outputs: &[String],
    preset: Option<&PresetName>,
) -> Result<Map<String, Value>> {
    let mut named = Map::new();
    if let Some(preset) = preset {
        named.insert("preset".to_owned(), json!(preset));
    }
    if preset.is_none() || !outputs.is_empty() {
        named.insert("outputs".to_owned(), json!(parse_outputs(outputs)?));
    }
    Ok(named)
}

/// Outputs as written on the command line.
fn parse_outputs(outputs: &[String]) -> Result<BTreeMap<OutputName, Operation>> {
    if outputs.is_empty() {
        bail!("name at least one output, such as --output tiles=pano.tiles, or a --preset");
    }
    let mut parsed = BTreeMap::new();
    for output in outputs {
        let (name, operation) =
            parse_output(output).with_context(|| format!("--output {output}"))?;
        if parsed.insert(name, operation).is_some() {
            bail!("--output {output}: there is another output of this name");
        }
    }
    Ok(parsed)
}

fn parse_output(output: &str) -> Result<(OutputName, Operation)> {
    let (name, rest) =
        output.split_once('=').ok_or_else(|| anyhow!("needs the form NAME=OPERATION"))?;
    let mut depth = 0_u32;
    let mut words = rest.split(|letter| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    let mut fields = Map::from_iter([("op".to_owned(), json!(words.next()))]);
    for word in words {
        let (key, text) =
            word.split_once('=').ok_or_else(|| anyhow!("`{word}` needs the form key=value"))?;
        fields.insert(key.to_owned(), parse_value(text));
    }
    Ok((name.parse()?, serde_json::from_value(Value::Object(fields))?))
}

/// A number where it is one, text otherwise; words between brackets are a list, which a shell leaves as it is.
fn parse_value(text: &str) -> Value {
    let words = || {
        let words = text.strip_prefix('[')?.strip_suffix(']')?;
        Some(words.split(',').map(|word| parse_value(word.trim())).collect())
    };
    serde_json::from_str(text).ok().or_else(words).unwrap_or_else(|| json!(text))
}

fn parse_labels(labels: &[String]) -> Result<BTreeMap<&str, &str>> {
    let pair = |label: &'_ String| -> Result<_> {
        label
            .split_once('=')
            .map(|_| ())
            .ok_or_else(|| anyhow!("--label {label} needs the form KEY=VALUE"))
    };
    labels.iter().try_for_each(pair)?;
    Ok(labels.iter().filter_map(|label| label.split_once('=')).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_read_as_they_are_written() {
        let parsed = parse_outputs(&[
            "tiles=pano.tiles,quality=90,format=webp".to_owned(),
            "small=image.thumbnail,width_px=512".to_owned(),
            "set=image.convert,widths_px=[320,640],format=webp".to_owned(),
            "stream=video.ladder,codecs=[h264, hevc],crf=20".to_owned(),
        ])
        .unwrap();
        let parsed_json = serde_json::to_value(&parsed).unwrap();
        assert_eq!(parsed_json["set"]["widths_px"], json!([320, 640]));
        assert_eq!(parsed_json["stream"]["codecs"], json!(["h264", "hevc"]));
        assert_eq!(parsed_json["tiles"]["quality"], 90);
        assert_eq!(parsed.len(), 4);
        let refusal =
            |output: &str| format!("{:#}", parse_outputs(&[output.to_owned()]).unwrap_err());
        for (output, expected) in [
            ("tiles", "NAME=OPERATION"),
            ("tiles=pano.fly", "pano.fly"),
            ("tiles=pano.tiles,quality", "key=value"),
            ("tiles=pano.tiles,qualiti=3", "qualiti"),
            ("Tiles=pano.tiles", "lower-case"),
        ] {
            assert!(refusal(output).contains(expected), "{output}: {}", refusal(output));
        }
    }
}
