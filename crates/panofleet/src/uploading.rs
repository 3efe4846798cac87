//! Uploads of files: small ones in one request, large ones in parts, several at once, which a later call of the same
//! command goes on with where this one was interrupted.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use futures_util::{TryStreamExt as _, stream};
use indicatif::ProgressBar;
use panofleet_job_schema::source::Source;
use panofleet_producer::api::{Cut, UploadState, UploadStatus, UploadView, UploadWay, WholePut};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::client::Client;
use crate::client::uploads::{Piece, Unsent};
use crate::terminal::{byte_bar, complain};

mod notes;

pub(crate) use notes::Notes;

/// Files from this size are sent in parts.
const PARTS_FROM_BYTES: u64 = 32 * 1024 * 1024;
/// Parts of one file that are on their way at once.
const PARTS_AT_ONCE: usize = 4;
/// Tries of one request.
const TRIES_MAX: u32 = 8;
/// The wait before the second try; it doubles.
const WAIT_FIRST: Duration = Duration::from_millis(500);
/// No wait is longer.
const WAIT_LONGEST: Duration = Duration::from_secs(20);
/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 * 1024;
/// How often the bar moves.
const BAR: Duration = Duration::from_millis(100);

/// A file to upload.
#[derive(Debug)]
struct Local<'a> {
    path: &'a Path,
    /// As it was at the beginning.
    metadata: Metadata,
    sha256: String,
}

/// A file that is in the store.
#[derive(Debug)]
pub(crate) struct Uploaded {
    /// What a job names.
    pub(crate) source: Source,
    note: Option<PathBuf>,
}

impl Uploaded {
    /// A job has named it: another job will upload the file anew.
    pub(crate) fn used(self) {
        if let Some(note) = &self.note {
            notes::forget(note);
        }
    }
}

/// Uploads a file, or what is missing of it.
pub(crate) async fn upload(
    client: &Client,
    path: &Path,
    notes: &Notes,
    quiet: bool,
) -> Result<Uploaded> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
    if metadata.len() == 0 {
        bail!("{shown} is empty");
    }
    let sha256 = sha256(path, metadata.len(), quiet).await;
    let sha256 = sha256.with_context(|| format!("cannot read {shown}"))?;
    let file = Local { path, metadata, sha256 };
    let bar = byte_bar(file.bytes(), "uploading", quiet);
    let uploaded = send(client, &file, notes, &bar).await;
    bar.finish_and_clear();
    uploaded.with_context(|| format!("cannot upload {shown}"))
}

impl Local<'_> {
    fn bytes(&self) -> u64 {
        self.metadata.len()
    }

    /// Somebody has written to it since.
    fn has_changed(&self) -> Result<bool> {
        let now = std::fs::metadata(self.path)?;
        Ok(now.len() != self.bytes() || now.modified()? != self.metadata.modified()?)
    }
}

async fn send(
    client: &Client,
    file: &Local<'_>,
    notes: &Notes,
    bar: &ProgressBar,
) -> Result<Uploaded> {
    let in_parts = file.bytes() >= PARTS_FROM_BYTES;
    let note = notes.of(client.url(), file.path, &file.metadata).filter(|_| in_parts);
    if let Some((note, id)) = note.as_deref().and_then(|note| Some((note, notes::read(note)?))) {
        match resume(client, file, id, bar).await? {
            Some(source) => return Ok(Uploaded { source, note: Some(note.to_owned()) }),
            None => notes::forget(note),
        }
    }
    let asked = json!({ "bytes": file.bytes(), "sha256": file.sha256, "parts": in_parts });
    let UploadView { id, source, way, .. } = client.begin_upload(&asked).await?;
    match way {
        UploadWay::Whole(put) => send_whole(client, file, &put, bar).await?,
        UploadWay::Parts { parts } => {
            if let Some(note) = &note
                && let Err(error) = notes::write(note, id)
            {
                complain(&error.context("this upload cannot be gone on with if it is interrupted"));
            }
            send_parts(client, file, (id, parts), &BTreeMap::new(), bar).await?;
        }
    }
    Ok(Uploaded { source, note })
}

/// Goes on with an upload; none if there is nothing to go on with.
async fn resume(
    client: &Client,
    file: &Local<'_>,
    id: Uuid,
    bar: &ProgressBar,
) -> Result<Option<Source>> {
    let Some(mut status) = client.upload(id, 0).await? else { return Ok(None) };
    let same = status.bytes == file.bytes() && status.sha256.as_ref() == Some(&file.sha256);
    if !same || status.state == UploadState::Gone {
        return Ok(None);
    }
    let source = status.source.clone();
    if status.state == UploadState::Complete {
        return Ok(Some(source));
    }
    let Some(parts) = &status.parts else { return Ok(None) };
    let cut = Cut { bytes: parts.bytes, count: parts.count };
    let mut there = BTreeMap::new();
    while let Some(parts) = status.parts {
        there.extend(parts.there.into_iter().map(|part| (part.number, part.bytes)));
        let Some(next) = parts.next else { break };
        let Some(page) = client.upload(id, next).await? else { return Ok(None) };
        status = page;
    }
    there.retain(|number, bytes| cut.bytes_of(*number, file.bytes()) == Some(*bytes));
    send_parts(client, file, (id, cut), &there, bar).await?;
    Ok(Some(source))
}

async fn send_whole(
    client: &Client,
    file: &Local<'_>,
    put: &WholePut,
    bar: &ProgressBar,
) -> Result<()> {
    let moved = Arc::new(AtomicU64::new(0));
    let piece = Piece { path: file.path, offset: 0, bytes: file.bytes(), moved: &moved };
    let send = async || client.put_piece((&put.method, &put.url), &put.headers, &piece).await;
    watched(bar, &moved, tried("the file", send)).await
}

/// Sends the parts that are not there, and makes one file of all.
async fn send_parts(
    client: &Client,
    file: &Local<'_>,
    (id, cut): (Uuid, Cut),
    there: &BTreeMap<u32, u64>,
    bar: &ProgressBar,
) -> Result<()> {
    let moved = Arc::new(AtomicU64::new(there.values().sum()));
    let missing = (1..=cut.count).filter(|number| !there.contains_key(number));
    let sent = stream::iter(missing.map(Ok)).try_for_each_concurrent(PARTS_AT_ONCE, |number| {
        send_part(client, file, (id, cut), number, &moved)
    });
    watched(bar, &moved, sent).await.context("run the same command again to go on with it")?;
    if file.has_changed()? {
        bail!("it was changed while it was uploaded; run the command again");
    }
    let complete = async || client.complete_upload(id).await;
    let status: UploadStatus = tried("the end of the upload", complete).await?;
    if status.state != UploadState::Complete {
        bail!("upload {id} is not complete");
    }
    Ok(())
}

async fn send_part(
    client: &Client,
    file: &Local<'_>,
    (id, cut): (Uuid, Cut),
    number: u32,
    moved: &Arc<AtomicU64>,
) -> Result<()> {
    let bytes = cut.bytes_of(number, file.bytes()).ok_or_else(|| anyhow!("no part {number}"))?;
    let offset = u64::from(number - 1) * cut.bytes;
    let send = async || {
        // A fresh one for each try: the last may have expired on a slow network.
        let to = client.part_address(id, number).await?;
        let piece = Piece { path: file.path, offset, bytes, moved };
        client.put_piece((&to.method, &to.url), &to.headers, &piece).await
    };
    tried(&format!("part {number}"), send).await
}

/// Repeats what may work when it is tried again.
async fn tried<T>(what: &str, mut send: impl AsyncFnMut() -> Result<T, Unsent>) -> Result<T> {
    let mut bound = WAIT_FIRST;
    for left in (0..TRIES_MAX).rev() {
        match send().await {
            Ok(done) => return Ok(done),
            Err(Unsent::Later(error)) if left > 0 => {
                tracing::debug!(what, error = format!("{error:#}"), "tried again");
            }
            Err(Unsent::Later(error) | Unsent::Never(error)) => {
                return Err(error.context(what.to_owned()));
            }
        }
        // Not all at the same moment.
        tokio::time::sleep(rand::random_range(bound / 2..=bound)).await;
        bound = (bound * 2).min(WAIT_LONGEST);
    }
    bail!("{what} was not sent")
}

/// Shows how far it is while it goes on.
async fn watched<T>(
    bar: &ProgressBar,
    moved: &AtomicU64,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut ticks = tokio::time::interval(BAR);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => bar.set_position(moved.load(Ordering::Relaxed)),
        }
    }
}

/// The SHA-256 of a file, hexadecimal.
async fn sha256(path: &Path, bytes: u64, quiet: bool) -> Result<String> {
    let bar = byte_bar(bytes, "reading", quiet);
    let (path, moving) = (path.to_owned(), bar.clone());
    let read = move || -> Result<String> {
        let mut file = File::open(&path)?;
        let mut digest = Sha256::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hex::encode(digest.finalize())),
                read => {
                    digest.update(piece.get(..read).unwrap_or_default());
                    moving.inc(read as u64);
                }
            }
        }
    };
    let sum = tokio::task::spawn_blocking(read).await?;
    bar.finish_and_clear();
    sum
}
