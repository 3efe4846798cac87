//! What an upload has put into the store.

use panofleet_jobs_db::Upload;
use panofleet_objects::client::PartsUpload;
use panofleet_objects::{ObjectStore, ObjectsError};

/// The upload in parts that an upload is, as the store knows it; none if it comes in one request.
pub(crate) fn parts_of(upload: &Upload) -> Option<PartsUpload<'_>> {
    let parts = upload.parts.as_ref()?;
    Some(PartsUpload { bucket: &upload.bucket, key: &upload.key, id: &parts.store_upload })
}

/// Removes the object, and parts that are to become one; nothing need be there.
///
/// # Errors
/// [`ObjectsError`].
pub(crate) async fn remove(objects: &ObjectStore, upload: &Upload) -> Result<(), ObjectsError> {
    // First, so that no parts can become an object afterwards.
    if let Some(parts) = parts_of(upload) {
        objects.abort_parts(&parts).await?;
    }
    objects.delete(&upload.bucket, &upload.key).await
}
