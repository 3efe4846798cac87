//! URLs that let somebody without credentials do one thing for a while.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{ObjectStore, address};
use crate::error::ObjectsError;

/// A request that anybody may send until it expires: nothing of it may be changed.
#[derive(Clone, PartialEq, Eq)]
pub struct PresignedRequest {
    /// `PUT` or `GET`.
    pub method: String,
    /// The URL. It is a bearer secret until it expires.
    pub url: String,
    /// Headers that must be sent just like this.
    pub headers: Vec<(String, String)>,
}

impl std::fmt::Debug for PresignedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("PresignedRequest")
            .field("method", &self.method)
            .field("url", &path)
            .finish()
    }
}

/// What may be put to a presigned URL; the store refuses anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExactBody {
    /// Size.
    pub bytes: u64,
    /// SHA-256, if it is known.
    pub sha256: Option<[u8; 32]>,
}

impl ExactBody {
    /// Any body of so many bytes.
    pub const fn of_bytes(bytes: u64) -> Self {
        Self { bytes, sha256: None }
    }
}

impl ObjectStore {
    /// A URL under which just this object can be put: its size, and its SHA-256 if there is one, are signed.
    ///
    /// # Errors
    /// [`ObjectsError::Refused`] if `expires` is longer than a week or the size past 2⁶³.
    pub async fn presign_put(
        &self,
        bucket: &str,
        key: &str,
        body: ExactBody,
        expires: Duration,
    ) -> Result<PresignedRequest, ObjectsError> {
        let object = address(bucket, key);
        let until = lifetime(&object, expires)?;
        let request = self.public.put_object().bucket(bucket).key(key);
        let request = request
            .content_length(content_length(&object, body.bytes)?)
            .set_checksum_sha256(body.sha256.map(|sha256| BASE64.encode(sha256)));
        let signed = request.presigned(until).await;
        signed
            .map(|signed| describe(&signed))
            .map_err(|error| ObjectsError::from_sdk(&object, &error))
    }

    /// A URL under which an object can be read.
    ///
    /// # Errors
    /// [`ObjectsError::Refused`] if `expires` is longer than a week.
    pub async fn presign_get(
        &self,
        bucket: &str,
        key: &str,
        expires: Duration,
    ) -> Result<PresignedRequest, ObjectsError> {
        let object = address(bucket, key);
        let until = lifetime(&object, expires)?;
        let signed = self.public.get_object().bucket(bucket).key(key).presigned(until).await;
        signed
            .map(|signed| describe(&signed))
            .map_err(|error| ObjectsError::from_sdk(&object, &error))
    }
}

/// A length as the SDK takes it.
pub(super) fn content_length(object: &str, bytes: u64) -> Result<i64, ObjectsError> {
    i64::try_from(bytes).map_err(|_too_large| {
        refused(object, format!("{bytes} bytes are more than an object can have"))
    })
}

pub(super) fn lifetime(object: &str, expires: Duration) -> Result<PresigningConfig, ObjectsError> {
    PresigningConfig::expires_in(expires).map_err(|error| refused(object, error.to_string()))
}

fn refused(object: &str, message: String) -> ObjectsError {
    let code = "InvalidRequest".to_owned();
    ObjectsError::Refused { object: object.to_owned(), status: 0, code, message }
}

pub(super) fn describe(signed: &aws_sdk_s3::presigning::PresignedRequest) -> PresignedRequest {
    PresignedRequest {
        method: signed.method().to_owned(),
        url: signed.uri().to_owned(),
        headers: signed
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}
