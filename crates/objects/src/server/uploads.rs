//! Multipart uploads: parts wait in a folder of their own until they become one object, at once.
//!
//! A part is an object file like any other. Completing copies the parts together (inside the kernel,
//! where the file system can), flushes the result and publishes it; only then the parts go. A server
//! that is killed on the way has either published the object or still has every part.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use s3s::dto::CompletedPart;
use s3s::{S3Error, S3Result, s3_error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::conditions::WriteCondition;
use super::digest::etag_of_parts;
use super::folder::{Folder, is_absent, sync_dir};
use super::object_file::{self, ClientHeaders, ObjectMeta};
use super::staging::Staged;

/// Parts of one upload.
const PARTS_MAX: i32 = 10_000;
/// Bytes of every part but the last.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
const RECORD: &str = "upload.json";
/// What the names of parts begin with; the number follows.
const PART_PREFIX: &str = "part-";

/// What an upload is to become.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    bucket: String,
    key: String,
    headers: ClientHeaders,
}

/// An upload under way.
#[derive(Debug)]
pub(super) struct Upload {
    dir: PathBuf,
    record: Record,
}

/// Begins an upload and returns its id.
///
/// # Errors
/// `NoSuchBucket`.
pub(super) fn begin(
    folder: &Folder,
    bucket: String,
    key: String,
    headers: ClientHeaders,
) -> S3Result<String> {
    folder.bucket(&bucket)?;
    let id = Uuid::new_v4().simple().to_string();
    let dir = folder.uploads().join(&id);
    let write = || -> io::Result<()> {
        fs::create_dir(&dir)?;
        let mut file = File::create(dir.join(RECORD))?;
        file.write_all(&serde_json::to_vec(&Record { bucket, key, headers })?)?;
        file.sync_all()?;
        sync_dir(&dir)?;
        sync_dir(&folder.uploads())
    };
    write().map_err(S3Error::internal_error)?;
    Ok(id)
}

/// Finds an upload by its id.
///
/// # Errors
/// `NoSuchUpload`, also if it is for another key.
pub(super) fn find(folder: &Folder, bucket: &str, key: &str, id: &str) -> S3Result<Upload> {
    // Ids become paths.
    let id = Uuid::try_parse(id).map_err(|error| s3_error!(error, NoSuchUpload))?;
    let dir = folder.uploads().join(id.simple().to_string());
    let json = fs::read(dir.join(RECORD)).map_err(gone)?;
    let record: Record = serde_json::from_slice(&json).map_err(S3Error::internal_error)?;
    if record.bucket != bucket || record.key != key {
        return Err(s3_error!(NoSuchUpload));
    }
    Ok(Upload { dir, record })
}

/// Checks the number of a part.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn check_part_number(number: i32) -> S3Result<i32> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(number);
    }
    Err(s3_error!(InvalidArgument, "part numbers go from 1 to {PARTS_MAX}"))
}

/// A part that is there.
pub(super) struct FoundPart {
    pub(super) number: i32,
    pub(super) meta: ObjectMeta,
    pub(super) modified: SystemTime,
}

impl Upload {
    /// The parts behind the number `after`, at most so many, and whether there are more.
    ///
    /// # Errors
    /// `NoSuchUpload` if it was completed or aborted meanwhile.
    pub(super) fn list(&self, after: i32, most: usize) -> S3Result<(Vec<FoundPart>, bool)> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(gone)? {
            let name = entry.map_err(gone)?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_prefix(PART_PREFIX));
            numbers.extend(digits.and_then(|digits| digits.parse::<i32>().ok()));
        }
        numbers.retain(|number| *number > after);
        numbers.sort_unstable();
        let more = numbers.len() > most;
        numbers.truncate(most);
        let found = numbers.into_iter().map(|number| {
            let part = object_file::open(&self.part(number)).map_err(gone)?;
            Ok(FoundPart { number, meta: part.meta, modified: part.modified })
        });
        Ok((found.collect::<S3Result<_>>()?, more))
    }

    /// Keeps a part; one with the same number is replaced.
    ///
    /// # Errors
    /// `NoSuchUpload` if it was aborted meanwhile.
    pub(super) fn put_part(&self, number: i32, staged: Staged) -> S3Result<()> {
        staged.path.persist(self.part(number)).map_err(|error| gone(error.error))?;
        sync_dir(&self.dir).map_err(gone)
    }

    /// Makes the object of the parts.
    ///
    /// # Errors
    /// `MalformedXML` (no parts), `InvalidPartOrder`, `InvalidPart`, `EntityTooSmall`; and as
    /// [`Folder::publish`].
    pub(super) fn complete(
        self,
        folder: &Folder,
        parts: &[CompletedPart],
        condition: &WriteCondition,
    ) -> S3Result<String> {
        let chosen = self.choose(parts)?;
        let staged = self.join(&folder.staging(), &chosen)?;
        let etag = staged.meta.etag.clone();
        folder.publish(&self.record.bucket, &self.record.key, staged, condition)?;
        self.remove()?;
        Ok(etag)
    }

    /// Forgets the upload and its parts.
    ///
    /// # Errors
    /// `NoSuchUpload` if another request did so first.
    pub(super) fn remove(self) -> S3Result<()> {
        fs::remove_dir_all(&self.dir).map_err(gone)
    }

    fn part(&self, number: i32) -> PathBuf {
        self.dir.join(format!("{PART_PREFIX}{number:05}"))
    }

    /// The files of the parts that the client names, in order, with their metadata.
    fn choose(&self, parts: &[CompletedPart]) -> S3Result<Vec<(PathBuf, ObjectMeta)>> {
        let mut chosen: Vec<(PathBuf, ObjectMeta)> = Vec::with_capacity(parts.len());
        let mut last = 0;
        for part in parts {
            let number = check_part_number(part.part_number.unwrap_or(0))?;
            if number <= last {
                return Err(s3_error!(InvalidPartOrder));
            }
            last = number;
            let path = self.part(number);
            let found =
                object_file::open(&path).map_err(|error| s3_error!(error, InvalidPart))?.meta;
            if part.e_tag.as_ref().is_none_or(|tag| tag.value() != found.etag) {
                return Err(s3_error!(InvalidPart, "part {number} has another tag"));
            }
            if chosen.last().is_some_and(|(_, before)| before.bytes < PART_BYTES_MIN) {
                return Err(s3_error!(EntityTooSmall));
            }
            chosen.push((path, found));
        }
        if chosen.is_empty() { Err(s3_error!(MalformedXML)) } else { Ok(chosen) }
    }

    fn join(&self, staging: &Path, chosen: &[(PathBuf, ObjectMeta)]) -> S3Result<Staged> {
        let meta = ObjectMeta {
            bytes: chosen.iter().map(|(_, part)| part.bytes).sum(),
            etag: etag_of_parts(chosen.iter().map(|(_, part)| part.etag.as_str())),
            headers: self.record.headers.clone(),
            ..ObjectMeta::default()
        };
        let write = || -> io::Result<Staged> {
            let (mut file, path) = tempfile::Builder::new().tempfile_in(staging)?.into_parts();
            for (part, found) in chosen {
                let copied = io::copy(&mut File::open(part)?.take(found.bytes), &mut file)?;
                if copied != found.bytes {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
                }
            }
            file.write_all(&meta.trailer()?)?;
            file.sync_all()?;
            Ok(Staged { path, meta })
        };
        write().map_err(gone)
    }
}

/// An upload's folder that is missing was completed or aborted.
fn gone(error: io::Error) -> S3Error {
    if is_absent(&error) { s3_error!(error, NoSuchUpload) } else { S3Error::internal_error(error) }
}
