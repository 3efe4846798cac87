//! Where a source lies: from what the client wrote to what a worker finds.

use axum::http::StatusCode;
use panofleet_job_schema::Region;
use panofleet_job_schema::source::{Source, SourceLocation};
use panofleet_objects::ObjectsError;
use url::Url;
use uuid::Uuid;

use super::auth::Auth;
use super::error::ApiError;
use super::submit::Acceptor;
use super::uploads::parts::unfinished;

/// A source that may be read.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Where a worker finds it.
    pub location: SourceLocation,
    /// The region that it lies in, if that is known.
    pub region: Option<Region>,
}

/// Finds a source, and refuses what may not be one.
pub(super) async fn resolve(api: &Acceptor<'_>, source: &Source) -> Result<Resolved, ApiError> {
    match source {
        Source::Https(url) => https(url),
        Source::S3 { bucket, key } => object(api, bucket, key),
        Source::Upload(id) => upload(api, *id).await,
        Source::Nothing => Ok(Resolved { location: SourceLocation::Nothing, region: None }),
        Source::File(_) => {
            let detail = "`file:` is for `panofleet run` only, because the fleet does not see your \
                          files; `panofleet submit FILE` uploads it, and so does POST /v1/uploads";
            Err(ApiError::unfit("source_is_a_file", detail))
        }
    }
}

/// What can be said of a source that is not used yet.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// The region that it lies in, if that is known.
    pub region: Option<Region>,
    /// Its size, if that is known.
    pub bytes: Option<u64>,
}

/// Looks at a source, and refuses what may not be one. Nobody counts it as used.
pub(super) async fn look(api: &Acceptor<'_>, source: &Source) -> Result<Looked, ApiError> {
    match source {
        Source::S3 { bucket, key } => {
            let Resolved { region, .. } = object(api, bucket, key)?;
            let head = api.objects.head(bucket, key).await;
            match head {
                Ok(head) => Ok(Looked { region, bytes: Some(head.bytes) }),
                // It may be there by the time the job runs.
                Err(ObjectsError::NotFound { .. }) => Ok(Looked { region, bytes: None }),
                Err(error) => Err(error.into()),
            }
        }
        Source::Upload(id) => {
            let found = api.db.upload(*id).await?.filter(|upload| upload.tenant == *api.tenant);
            let Some(upload) = found else { return Err(unknown(*id)) };
            Ok(Looked { region: region_of_bucket(api, &upload.bucket), bytes: Some(upload.bytes) })
        }
        Source::Https(_) | Source::Nothing | Source::File(_) => {
            resolve(api, source).await.map(|found| Looked { region: found.region, bytes: None })
        }
    }
}

fn region_of_bucket(api: &Acceptor<'_>, bucket: &str) -> Option<Region> {
    let mut regions = api.config.regions.iter();
    regions.find(|(_, region)| region.bucket == bucket).map(|(name, _)| name.clone())
}

fn unknown(id: Uuid) -> ApiError {
    let detail = format!("there is no upload {id}; POST /v1/uploads begins one");
    ApiError::unfit("upload_unknown", detail)
}

/// What a worker finds at the address, and whether it may go there at all, the worker sees for itself.
fn https(text: &str) -> Result<Resolved, ApiError> {
    let url = Url::parse(text).map_err(|error| {
        ApiError::unfit("source_not_a_url", format!("source `{text}` is not a URL: {error}"))
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        let detail =
            "the source's URL carries a name or a password; use a presigned URL, or upload it";
        return Err(ApiError::unfit("source_has_credentials", detail));
    }
    Ok(Resolved { location: SourceLocation::https(url), region: None })
}

fn object(api: &Acceptor<'_>, bucket: &str, key: &str) -> Result<Resolved, ApiError> {
    let config = api.config;
    let Some(region) = config.source_buckets.get(bucket) else {
        let known: Vec<&str> = config.source_buckets.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let detail = format!(
            "sources may not lie in bucket `{bucket}`; allowed are: {known}. An operator adds one \
             under api.source_buckets"
        );
        return Err(ApiError::unfit("source_bucket_unknown", detail));
    };
    let mut outputs = config.regions.values().map(|region| region.bucket.as_str());
    let own = format!("{}/", api.tenant);
    if config.auth == Auth::Keys && outputs.any(|name| name == bucket) && !key.starts_with(&own) {
        let detail = format!(
            "bucket `{bucket}` holds what tenants have made: a source may lie there under `{own}` only"
        );
        return Err(ApiError::refused(StatusCode::FORBIDDEN, "wrong_tenant", detail));
    }
    let location = SourceLocation::object(bucket, key);
    Ok(Resolved { location, region: Some(region.clone()) })
}

async fn upload(api: &Acceptor<'_>, id: Uuid) -> Result<Resolved, ApiError> {
    let found = api.db.upload(id).await?;
    let upload = found.filter(|upload| upload.tenant == *api.tenant).ok_or_else(|| unknown(id))?;
    let there = match api.objects.head(&upload.bucket, &upload.key).await {
        Ok(head) => head.bytes,
        Err(ObjectsError::NotFound { .. }) => return Err(unfinished(&upload)),
        Err(error) => return Err(error.into()),
    };
    if there != upload.bytes {
        let detail = format!(
            "upload {id} has {there} bytes and {} were announced; begin a new one with POST /v1/uploads",
            upload.bytes
        );
        return Err(ApiError::refused(StatusCode::CONFLICT, "upload_size_differs", detail));
    }
    // Last, so that only what is complete counts as used. From here on nobody takes it away.
    api.db.use_upload(id, api.db.now().await?).await?.ok_or_else(|| unknown(id))?;
    Ok(Resolved {
        region: region_of_bucket(api, &upload.bucket),
        location: SourceLocation::Object {
            bucket: upload.bucket,
            key: upload.key,
            sha256: upload.sha256.map(hex::encode),
        },
    })
}
