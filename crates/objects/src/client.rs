//! The client for any S3-compatible store.

mod download;
mod parts;
mod presign;
mod probe;
mod retry;
mod tls;
mod upload;

pub use download::{ByteRange, DownloadTo, Downloaded, ObjectReader};
pub use parts::{
    PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX, PartHead, PartPage, PartsUpload, part_bytes,
};
pub use presign::{ExactBody, PresignedRequest};
pub(crate) use retry::Backoff;
pub(crate) use tls::distrust;
pub use upload::PutOptions;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use bytes::Bytes;

use crate::config::ObjectsConfig;
use crate::error::ObjectsError;
use crate::metrics::Operation;
use retry::Tries;

/// A body that makes no progress for this long is given up, and resumed where that is possible.
const STALL_GRACE: Duration = Duration::from_secs(20);

/// A client for one store. Cheap to clone; clones share their connections.
///
/// Idempotent requests are repeated on transient errors, at most `attempts_max` times (longer after
/// [`ObjectStore::patient_for`]), with exponential backoff and full jitter; conditional puts never are. Dropping a future gives its
/// request up; whether the store had carried it out is then unknown.
#[derive(Clone, Debug)]
pub struct ObjectStore {
    client: Client,
    /// Signs for the endpoint that browsers see.
    public: Client,
    config: ObjectsConfig,
    /// How long requests are repeated at least while the store is away.
    patience: Duration,
}

/// What `put_if_absent` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutIfAbsent {
    /// There was no object; ours stands there now.
    Created,
    /// There is an object already; nothing was changed.
    Exists,
}

/// What is known about an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Size.
    pub bytes: u64,
    /// Entity tag, with its quotes. Opaque: stores make it in different ways.
    pub etag: Option<String>,
    /// Media type.
    pub content_type: Option<String>,
    /// What caches may do.
    pub cache_control: Option<String>,
    /// User metadata, names without `x-amz-meta-`.
    pub metadata: std::collections::HashMap<String, String>,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPage {
    /// Keys, in the order of their UTF-8 bytes.
    pub keys: Vec<String>,
    /// Give this to get the next page; `None` on the last.
    pub next: Option<String>,
}

impl ObjectStore {
    /// A client with the settings of `config`. Connects when it is first used.
    ///
    /// # Errors
    /// [`ObjectsError::Config`].
    pub fn new(config: &ObjectsConfig) -> Result<Self, ObjectsError> {
        config.validate()?;
        if let Some(endpoint) = config.exposed_endpoint() {
            tracing::warn!(endpoint, "the object store is reached without TLS");
        }
        Ok(Self::over(config, tls::http_client(config)?))
    }

    /// As [`ObjectStore::new`], over connections that the caller makes: a simulation's. `config` must be valid.
    pub fn over(config: &ObjectsConfig, http_client: SharedHttpClient) -> Self {
        let public_endpoint = config.public_endpoint.as_ref().unwrap_or(&config.endpoint);
        // A presigned URL carries no body, so no checksum of one may be signed into it.
        let public = sdk_config(config, public_endpoint, http_client.clone())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        Self {
            client: Client::from_conf(sdk_config(config, &config.endpoint, http_client).build()),
            public: Client::from_conf(public.build()),
            config: config.clone(),
            patience: Duration::ZERO,
        }
    }

    /// The same client, which waits for a store that is away: what is repeated `attempts_max` times is repeated until
    /// `patience` is over too, counted from its first try. For work that costs more than a wait.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The settings that it was made with.
    pub const fn config(&self) -> &ObjectsConfig {
        &self.config
    }

    /// Makes a bucket if it is not there.
    ///
    /// # Errors
    /// [`ObjectsError::Refused`] if it belongs to somebody else; [`ObjectsError::Unavailable`].
    pub async fn create_bucket(&self, bucket: &str) -> Result<(), ObjectsError> {
        let object = address(bucket, "");
        let exists = || async {
            let sent = self.client.head_bucket().bucket(bucket).send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        match self.tries(Operation::HeadBucket, 0).repeat(&object, exists).await {
            Err(ObjectsError::NotFound { .. }) => {}
            settled => return settled,
        }
        // AWS wants the region named everywhere but in its oldest.
        let place = (self.config.region != "us-east-1").then(|| {
            let region = BucketLocationConstraint::from(self.config.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let create = || async {
            let request = self.client.create_bucket().bucket(bucket);
            let request = request.set_create_bucket_configuration(place.clone());
            match request.send().await {
                Ok(_) => Ok(()),
                Err(error) => match ObjectsError::from_sdk(&object, &error) {
                    ObjectsError::Refused { code, .. } if code == "BucketAlreadyOwnedByYou" => {
                        Ok(())
                    }
                    error => Err(error),
                },
            }
        };
        self.tries(Operation::CreateBucket, 0).repeat(&object, create).await
    }

    /// Puts an object that is small enough to be in memory, over what is there.
    ///
    /// # Errors
    /// [`ObjectsError::Unavailable`] after the last try, [`ObjectsError::Refused`].
    pub async fn put_bytes(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        options: &PutOptions<'_>,
    ) -> Result<(), ObjectsError> {
        let object = address(bucket, key);
        let put = || async {
            let request = options.apply(self.client.put_object().bucket(bucket).key(key));
            let sent = request.body(ByteStream::from(bytes.clone())).send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        self.tries(Operation::Put, bytes.len() as u64).repeat(&object, put).await
    }

    /// Puts an object unless there is one, in a single try (`If-None-Match: *`).
    ///
    /// # Errors
    /// [`ObjectsError::OutcomeUnknown`] if the answer was lost: put it again, and on `Exists` read
    /// whose object it is. [`ObjectsError::Conflict`]: back off and put it again.
    /// [`ObjectsError::Refused`].
    pub async fn put_if_absent(
        &self,
        bucket: &str,
        key: &str,
        bytes: Bytes,
        content_type: &str,
    ) -> Result<PutIfAbsent, ObjectsError> {
        let object = address(bucket, key);
        let tries = self.tries(Operation::PutIfAbsent, bytes.len() as u64);
        let request = self.client.put_object().bucket(bucket).key(key).content_type(content_type);
        let request = request.if_none_match("*").body(ByteStream::from(bytes));
        let put = async {
            let sent = request.send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        match tries.once(&object, put).await {
            Ok(()) => Ok(PutIfAbsent::Created),
            Err(ObjectsError::Changed { .. }) => Ok(PutIfAbsent::Exists),
            Err(ObjectsError::Unavailable { object, reason }) => {
                Err(ObjectsError::OutcomeUnknown { object, reason })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the store answers for a bucket: asks for an object that need not be there.
    ///
    /// # Errors
    /// As [`ObjectStore::head`], but for [`ObjectsError::NotFound`].
    pub async fn reach(&self, bucket: &str) -> Result<(), ObjectsError> {
        match self.head(bucket, ".panofleet/readyz").await {
            Ok(_) | Err(ObjectsError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Looks at an object without reading it.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`], [`ObjectsError::Unavailable`], [`ObjectsError::Refused`].
    pub async fn head(&self, bucket: &str, key: &str) -> Result<ObjectHead, ObjectsError> {
        let object = address(bucket, key);
        let head = || async {
            let sent = self.client.head_object().bucket(bucket).key(key).send().await;
            sent.map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        let found = self.tries(Operation::Head, 0).repeat(&object, head).await?;
        Ok(ObjectHead {
            bytes: length(found.content_length),
            etag: found.e_tag,
            content_type: found.content_type,
            cache_control: found.cache_control,
            metadata: found.metadata.unwrap_or_default(),
        })
    }

    /// Deletes an object; it need not be there.
    ///
    /// # Errors
    /// [`ObjectsError::Unavailable`], [`ObjectsError::Refused`].
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectsError> {
        let object = address(bucket, key);
        let delete = || async {
            let sent = self.client.delete_object().bucket(bucket).key(key).send().await;
            sent.map(drop).map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        match self.tries(Operation::Delete, 0).repeat(&object, delete).await {
            Err(ObjectsError::NotFound { .. }) => Ok(()),
            settled => settled,
        }
    }

    /// One page of the keys under `prefix`, at most 1000. For sweeping up, never for finding results.
    ///
    /// # Errors
    /// [`ObjectsError::NotFound`] (the bucket), [`ObjectsError::Unavailable`], [`ObjectsError::Refused`].
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        page: Option<&str>,
    ) -> Result<ObjectPage, ObjectsError> {
        let object = address(bucket, prefix);
        let list = || async {
            let request = self.client.list_objects_v2().bucket(bucket).prefix(prefix);
            let sent = request.set_continuation_token(page.map(str::to_owned)).send().await;
            sent.map_err(|error| ObjectsError::from_sdk(&object, &error))
        };
        let found = self.tries(Operation::List, 0).repeat(&object, list).await?;
        let keys = found.contents.unwrap_or_default().into_iter().filter_map(|entry| entry.key);
        Ok(ObjectPage { keys: keys.collect(), next: found.next_continuation_token })
    }

    /// How a request whose body has `bytes` bytes is tried.
    fn tries(&self, operation: Operation, bytes: u64) -> Tries {
        let body = Duration::from_secs(bytes / self.config.slowest_bytes_per_s);
        let timeout = Duration::from(self.config.request_timeout) + body;
        let Self { patience, .. } = *self;
        Tries { operation, attempts_max: self.config.attempts_max, patience, timeout }
    }
}

fn sdk_config(
    config: &ObjectsConfig,
    endpoint: &str,
    http_client: SharedHttpClient,
) -> aws_sdk_s3::config::Builder {
    let secret = config.secret_key.expose();
    let credentials = Credentials::new(&config.access_key, secret, None, None, "panofleet");
    let timeouts = TimeoutConfig::builder().connect_timeout(config.connect_timeout.into()).build();
    let stalls = StalledStreamProtectionConfig::enabled().grace_period(STALL_GRACE).build();
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(credentials)
        .http_client(http_client)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(stalls)
}

/// How an object is named in errors.
pub(crate) fn address(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}

/// A length as the SDK gives it; stores send no negative ones.
fn length(content_length: Option<i64>) -> u64 {
    content_length.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}
