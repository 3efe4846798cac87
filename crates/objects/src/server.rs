//! The embedded S3 server: a folder, spoken to like any other store.
//!
//! # What it promises
//!
//! - An answer of 200 to a put means that the object and its metadata are on the disk: the temporary
//!   file is flushed, then linked or renamed, then its folder is flushed. A put that was not answered
//!   either happened whole or not at all, whatever killed the server.
//! - Checksums, lengths and conditions are checked before anything becomes visible. A reader gets one
//!   version of an object, never parts of two.
//! - Of any number of puts with `If-None-Match: *` exactly one wins: the winner is who creates the
//!   directory entry. A 412 is answered only when the entry that caused it is on the disk.
//! - Between becoming visible and being answered (milliseconds) an object can be read that a power
//!   cut, though not a killed server, may still take back.
//!
//! One server owns a folder, by a lock on it. Requests are signed (version 4, in the header or
//! presigned); there is one key pair, and no anonymous access.

mod body;
mod conditions;
mod digest;
mod folder;
mod front;
mod keys;
mod list;
mod object_file;
mod operations;
mod staging;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Secret;
use crate::error::ObjectsError;
use folder::Folder;
use front::Front;

/// Connections that are served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;
/// Longest wait for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long requests may take to finish once the server is to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the embedded server serves, and to whom.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The folder; made if it is not there. At most 800 bytes long, since keys become paths.
    pub root: PathBuf,
    /// Access key id of the one key pair.
    pub access_key: String,
    /// Its secret.
    pub secret_key: Secret,
    /// Whether pages of any origin may use presigned URLs.
    pub cors: bool,
}

/// Serves the folder until `shutdown`, then lets running requests finish for ten seconds.
///
/// Dropping the future ends it at once, connections included.
///
/// # Errors
/// [`ObjectsError::FolderInUse`] if another server has the folder, [`ObjectsError::LocalFile`] if it
/// cannot be made or cleaned up, [`ObjectsError::Config`].
pub async fn serve(
    listener: TcpListener,
    config: ServerConfig,
    shutdown: CancellationToken,
) -> Result<(), ObjectsError> {
    let root = config.root.clone();
    let opened = tokio::task::spawn_blocking(move || Folder::open(root)).await;
    let folder = opened.map_err(|error| ObjectsError::LocalFile {
        action: "open",
        path: config.root.clone(),
        source: error.into(),
    })??;
    let front = Front::new(Arc::new(folder), &config);
    let tasks = TaskTracker::new();
    let graceful = GracefulShutdown::new();
    let cut_off = CancellationToken::new();
    let _cut_off_on_drop = cut_off.clone().drop_guard();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));

    while let Some(stream) = shutdown.run_until_cancelled(accept(&listener)).await {
        let permit = Arc::clone(&room).acquire_owned();
        let Some(Ok(permit)) = shutdown.run_until_cancelled(permit).await else { break };
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), front.clone());
        let connection = graceful.watch(connection);
        let cut_off = cut_off.clone();
        tasks.spawn(async move {
            if let Some(Err(error)) = cut_off.run_until_cancelled(connection).await {
                tracing::debug!(%error, "a connection to the object server broke");
            }
            drop(permit);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests to the object server were cut off at shutdown");
    }
    cut_off.cancel();
    tasks.wait().await;
    Ok(())
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the object server");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
