//! One object, one file: the body, then its metadata as JSON, then a footer of 16 bytes.
//!
//! | bytes | what |
//! |---|---|
//! | `meta.bytes` | the body |
//! | n | metadata, JSON |
//! | 4 | n, little-endian |
//! | 4 | CRC-32C of the metadata, little-endian |
//! | 8 | `pf-obj-1` |
//!
//! Metadata and body lie in one file because they must change together. The body comes first so that
//! what is only known at its end (checksums, size) need not be known before.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

const MAGIC: &[u8; 8] = b"pf-obj-1";
const FOOTER_BYTES: u64 = 16;
/// Bytes of the metadata: S3 allows 2 KB of a client's, the rest is ours.
const META_BYTES_MAX: u32 = 64 * 1024;

/// What is kept with a body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectMeta {
    /// Size of the body.
    pub(super) bytes: u64,
    /// Entity tag, without quotes. Not an MD5 and not shaped like one, lest a client takes it for one.
    pub(super) etag: String,
    /// What the client said of it.
    pub(super) headers: ClientHeaders,
    /// Checksums that the client sent, base64, by algorithm; verified.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) checksums: BTreeMap<String, String>,
}

/// Headers that come back as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClientHeaders {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_disposition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) content_language: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
}

/// An open object: stays what it is while others replace or delete it.
#[derive(Debug)]
pub(super) struct OpenObject {
    pub(super) file: File,
    pub(super) meta: ObjectMeta,
    pub(super) modified: std::time::SystemTime,
}

impl ObjectMeta {
    /// What comes after the body.
    pub(super) fn trailer(&self) -> io::Result<Vec<u8>> {
        let mut trailer = serde_json::to_vec(self)?;
        let bytes = u32::try_from(trailer.len()).unwrap_or(u32::MAX);
        if bytes > META_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the metadata is too long"));
        }
        let crc = crc32c::crc32c(&trailer);
        trailer.extend_from_slice(&bytes.to_le_bytes());
        trailer.extend_from_slice(&crc.to_le_bytes());
        trailer.extend_from_slice(MAGIC);
        Ok(trailer)
    }
}

/// Opens an object and reads its metadata.
pub(super) fn open(path: &Path) -> io::Result<OpenObject> {
    let file = File::open(path)?;
    let stat = file.metadata()?;
    let meta = read_meta(&file, stat.len())?;
    Ok(OpenObject { file, meta, modified: stat.modified()? })
}

fn read_meta(file: &File, file_bytes: u64) -> io::Result<ObjectMeta> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the object's file is damaged");
    let footer_at = file_bytes.checked_sub(FOOTER_BYTES).ok_or_else(damaged)?;
    let mut footer = [0; FOOTER_BYTES as usize];
    file.read_exact_at(&mut footer, footer_at)?;
    let [b0, b1, b2, b3, c0, c1, c2, c3, magic @ ..] = footer;
    let bytes = u32::from_le_bytes([b0, b1, b2, b3]);
    if magic != *MAGIC || bytes > META_BYTES_MAX {
        return Err(damaged());
    }
    let meta_at = footer_at.checked_sub(u64::from(bytes)).ok_or_else(damaged)?;
    let mut json = vec![0; bytes as usize];
    file.read_exact_at(&mut json, meta_at)?;
    if crc32c::crc32c(&json) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Err(damaged());
    }
    let meta: ObjectMeta = serde_json::from_slice(&json)?;
    if meta.bytes != meta_at {
        return Err(damaged());
    }
    Ok(meta)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn stored(body: &[u8], meta: &ObjectMeta) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(body).unwrap();
        file.write_all(&meta.trailer().unwrap()).unwrap();
        file
    }

    #[test]
    fn metadata_comes_back_and_damage_is_noticed() {
        let meta = ObjectMeta { bytes: 4, etag: "e".to_owned(), ..ObjectMeta::default() };
        let file = stored(b"body", &meta);
        assert_eq!(open(file.path()).unwrap().meta, meta);

        let whole = std::fs::read(file.path()).unwrap();
        for flipped in 4..whole.len() {
            let mut damaged = whole.clone();
            damaged[flipped] ^= 1;
            std::fs::write(file.path(), &damaged).unwrap();
            assert!(open(file.path()).is_err(), "byte {flipped}");
        }
        for kept in 0..whole.len() {
            std::fs::write(file.path(), &whole[..kept]).unwrap();
            assert!(open(file.path()).is_err(), "cut at {kept}");
        }
    }
}
