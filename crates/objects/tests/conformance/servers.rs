//! Servers to run the suites on.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use panofleet_objects::server::{ServerConfig, serve};
use panofleet_objects::{ObjectStore, ObjectsConfig, ObjectsError, Secret};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const ACCESS_KEY: &str = "conformance";
pub(crate) const SECRET_KEY: &str = "conformance-secret";
pub(crate) const BUCKET: &str = "suite";

/// A store with an empty bucket, whoever serves it.
pub(crate) struct Store {
    pub(crate) objects: ObjectStore,
    pub(crate) endpoint: String,
}

impl Store {
    pub(crate) fn at(endpoint: &str) -> Self {
        let objects = ObjectStore::new(&config(endpoint)).unwrap();
        Self { objects, endpoint: endpoint.to_owned() }
    }

    /// The same store through a client that tries once: retries would hide what should not happen.
    pub(crate) fn impatient(&self) -> Self {
        let config = ObjectsConfig { attempts_max: 1, ..config(&self.endpoint) };
        Self { objects: ObjectStore::new(&config).unwrap(), endpoint: self.endpoint.clone() }
    }

    /// The SDK's client, for requests that ours never sends.
    pub(crate) fn sdk(&self) -> aws_sdk_s3::Client {
        use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled());
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// The settings of the suites' client.
pub(crate) fn config(endpoint: &str) -> ObjectsConfig {
    ObjectsConfig::new(endpoint, ACCESS_KEY, Secret::new(SECRET_KEY))
}

/// Our own server, over a folder that goes with it.
pub(crate) struct Embedded {
    pub(crate) endpoint: String,
    dir: Arc<TempDir>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), ObjectsError>>,
}

impl Embedded {
    pub(crate) async fn start() -> Self {
        let server = Self::over(Arc::new(tempfile::tempdir().unwrap())).await;
        server.store().objects.create_bucket(BUCKET).await.unwrap();
        server
    }

    /// Serves a folder that may have a history.
    pub(crate) async fn over(dir: Arc<TempDir>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let server = serve(listener, server_config(dir.path()), shutdown.clone());
        #[expect(clippy::disallowed_methods, reason = "a test has no task group")]
        let task = tokio::spawn(server);
        Self { endpoint, dir, shutdown, task }
    }

    pub(crate) fn store(&self) -> Store {
        Store::at(&self.endpoint)
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Stops in good order and gives the folder back.
    pub(crate) async fn stop(self) -> Arc<TempDir> {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
        self.dir
    }

    /// Stops without any order, as far as that is possible within a process.
    pub(crate) async fn abort(self) -> Arc<TempDir> {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        // Its connections end a moment later; a killed process would let go of the lock at once.
        let lock = File::open(self.dir.path().join("lock")).unwrap();
        let free = async {
            while lock.try_lock().is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
        self.dir
    }
}

pub(crate) fn server_config(root: &Path) -> ServerConfig {
    ServerConfig {
        root: root.to_owned(),
        access_key: ACCESS_KEY.to_owned(),
        secret_key: Secret::new(SECRET_KEY),
        cors: true,
    }
}
