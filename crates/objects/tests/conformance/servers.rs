//! Servers to run the suites on.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use panofleet_objects::server::{ServerConfig, serve};
use panofleet_objects::{ObjectStore, ObjectsConfig, ObjectsError, Secret};
use panofleet_test_servers::S3Server;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const ACCESS_KEY: &str = "conformance";
pub(crate) const SECRET_KEY: &str = "conformance-secret";
pub(crate) const BUCKET: &str = "suite";

/// A store with an empty bucket, whoever serves it.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) objects: ObjectStore,
    pub(crate) endpoint: String,
}

impl Store {
    /// One that takes the key pair of the embedded server.
    pub(crate) fn at(endpoint: &str) -> Self {
        Self::of(&config(endpoint))
    }

    pub(crate) fn of(config: &ObjectsConfig) -> Self {
        Self { objects: ObjectStore::new(config).unwrap(), endpoint: config.endpoint.clone() }
    }

    /// The same store through a client that tries once: retries would hide what should not happen.
    pub(crate) fn impatient(&self) -> Self {
        Self::of(&ObjectsConfig { attempts_max: 1, ..self.config() })
    }

    /// The same store by another way.
    pub(crate) fn behind(&self, endpoint: &str) -> Self {
        Self::of(&ObjectsConfig { endpoint: endpoint.to_owned(), ..self.config() })
    }

    /// The settings of its client.
    pub(crate) fn config(&self) -> ObjectsConfig {
        self.objects.config().clone()
    }

    /// The SDK's client, for requests that ours never sends.
    pub(crate) fn sdk(&self) -> aws_sdk_s3::Client {
        use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
        let ObjectsConfig { access_key, secret_key, .. } = self.config();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(
                access_key,
                secret_key.expose(),
                None,
                None,
                "test",
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled());
        aws_sdk_s3::Client::from_conf(config.build())
    }
}

/// The settings of a client of the embedded server.
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

/// Somebody else's server, in a process and over a folder of its own.
pub(crate) struct Versitygw {
    pub(crate) server: S3Server,
}

impl Versitygw {
    pub(crate) async fn start() -> Self {
        Self::over(S3Server::start).await
    }

    /// The server that `start` gives, with an empty bucket.
    pub(crate) async fn over(start: fn() -> S3Server) -> Self {
        let server = tokio::task::spawn_blocking(start).await.unwrap();
        let this = Self { server };
        this.store().objects.create_bucket(BUCKET).await.unwrap();
        this
    }

    pub(crate) fn store(&self) -> Store {
        let secret_key = Secret::new(self.server.secret_key());
        let endpoint = self.server.endpoint();
        let config = ObjectsConfig::new(&endpoint, self.server.access_key(), secret_key);
        let tls_ca_file = endpoint.starts_with("https").then(|| self.server.ca_file());
        Store::of(&ObjectsConfig { tls_ca_file, ..config })
    }

    pub(crate) async fn stop(self) {
        tokio::task::spawn_blocking(|| drop(self)).await.unwrap();
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
