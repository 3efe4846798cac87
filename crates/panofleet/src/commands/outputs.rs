//! `panofleet outputs`: what a job has made, and getting it onto this machine.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::ProgressBar;
use panofleet_job_schema::manifest::{FileRecord, Manifest};
use panofleet_job_schema::{JobId, OutputName};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Shared;
use crate::client::Client;
use crate::terminal::{byte_bar, bytes, say, table};

/// Files that are on their way at once.
const CONCURRENT_MAX: usize = 8;
/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 1 << 16;

/// What a job has made
#[derive(Debug, Args)]
pub(crate) struct Outputs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the files of a job's outputs
    List {
        /// The job's id
        id: JobId,
    },
    /// Get the files of a job's outputs; those that are there already, byte for byte, are not fetched again
    Get {
        /// The job's id
        id: JobId,
        /// The folder to put them in: each output has a folder of its name there
        folder: PathBuf,
        /// Only this output; repeatable
        #[arg(long = "output", value_name = "NAME")]
        outputs: Vec<OutputName>,
    },
}

impl Outputs {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        match &self.command {
            Command::List { id } => list(&client.manifest(*id).await?, shared.json),
            Command::Get { id, folder, outputs } => {
                let done = download(&client, *id, (folder, outputs), shared.json).await?;
                say(if shared.json {
                    serde_json::to_string_pretty(&done)?
                } else {
                    done.in_words()
                });
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn list(manifest: &Manifest, json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(&manifest.outputs)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    for (name, output) in &manifest.outputs {
        for file in &output.files {
            let path = format!("{name}/{}", file.path);
            rows.push(vec![path, bytes(file.bytes), file.content_type.clone()]);
        }
    }
    say(table(&["file", "size", "type"], &rows));
    Ok(ExitCode::SUCCESS)
}

/// What is in a folder now.
#[derive(Debug, Serialize)]
pub(super) struct Downloaded {
    files: usize,
    /// Those of them that were not there.
    fetched: usize,
    bytes: u64,
    folder: PathBuf,
}

/// Gets the outputs of a job, or those that are named, into a folder.
pub(super) async fn download(
    client: &Client,
    id: JobId,
    (folder, only): (&Path, &[OutputName]),
    quiet: bool,
) -> Result<Downloaded> {
    let manifest = client.manifest(id).await?;
    if let Some(absent) = only.iter().find(|name| !manifest.outputs.contains_key(*name)) {
        let names: Vec<_> = manifest.outputs.keys().map(OutputName::as_str).collect();
        bail!("job {id} has no output `{absent}`; it has {}", names.join(", "));
    }
    let wanted = (manifest.outputs.iter())
        .filter(|(name, _)| only.is_empty() || only.contains(name))
        .flat_map(|(name, output)| output.files.iter().map(move |file| (name, file)));
    let wanted: Vec<(&OutputName, &FileRecord)> = wanted.collect();
    let total = wanted.iter().map(|(_, file)| file.bytes).sum();
    let bar = byte_bar(total, "downloading", quiet);
    let one = |(name, file): (&'_ OutputName, &'_ FileRecord)| {
        let (name, file, bar) = (name.clone(), file.clone(), bar.clone());
        async move { get(client, id, (&name, &file), (folder, &bar)).await }
    };
    let fetched: Vec<bool> =
        stream::iter(wanted).map(one).buffer_unordered(CONCURRENT_MAX).try_collect().await?;
    bar.finish_and_clear();
    let new = fetched.iter().filter(|new| **new).count();
    Ok(Downloaded { files: fetched.len(), fetched: new, bytes: total, folder: folder.to_owned() })
}

impl Downloaded {
    pub(super) fn in_words(&self) -> String {
        let Self { files, fetched, bytes: total, folder } = self;
        let (total, folder) = (bytes(*total), folder.display());
        format!("{files} files, {total}, are in {folder}; {fetched} of them are new")
    }
}

/// Gets a file, unless it is there. Whether it was fetched.
async fn get(
    client: &Client,
    id: JobId,
    (name, file): (&OutputName, &FileRecord),
    (folder, bar): (&Path, &ProgressBar),
) -> Result<bool> {
    let path = local_path(folder, name, &file.path)?;
    let (there, sha256) = (path.clone(), file.sha256.clone());
    let is_there =
        tokio::task::spawn_blocking(move || sha256_of(&there).is_ok_and(|it| it == sha256));
    if is_there.await? {
        bar.inc(file.bytes);
        return Ok(false);
    }
    let shown = path.display();
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent)
            .await
            .with_context(|| format!("cannot make the folder of {shown}"))?;
    }
    let part = path.with_file_name(format!(".{}.part", uuid::Uuid::new_v4()));
    let fetched = client.file(id, (name, &file.path), &part, |moved| bar.inc(moved)).await;
    let kept = match fetched {
        Ok(found) if found == file.sha256 => {
            tokio::fs::rename(&part, &path).await.with_context(|| format!("cannot write {shown}"))
        }
        Ok(_) => Err(anyhow::anyhow!("{shown} is not what the manifest says; try again")),
        Err(error) => Err(error),
    };
    if kept.is_err() {
        // What it is worth is said by the error above.
        let removed = tokio::fs::remove_file(&part).await;
        drop(removed);
    }
    kept.map(|()| true)
}

/// Where a file goes. A manifest's path that leads out of the folder is refused.
fn local_path(folder: &Path, name: &OutputName, path: &str) -> Result<PathBuf> {
    let path = Path::new(path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.as_os_str().is_empty() {
        bail!("the manifest has a file `{}`, which would lie elsewhere", path.display());
    }
    Ok(folder.join(name.as_str()).join(path))
}

/// The SHA-256 of a file, which may be larger than memory.
fn sha256_of(path: &Path) -> std::io::Result<String> {
    let (mut file, mut digest) = (File::open(path)?, Sha256::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(digest.finalize())),
            read => digest.update(piece.get(..read).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_in_the_folder() {
        let name = OutputName::new("tiles").unwrap();
        let place = |path: &str| local_path(Path::new("/out"), &name, path);
        assert_eq!(place("l1/f_0.jpg").unwrap(), Path::new("/out/tiles/l1/f_0.jpg"));
        for bad in ["../x", "/etc/passwd", "a/../../x", ".", ""] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
