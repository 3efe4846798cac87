//! Where a job's input lies: as the client writes it, and as a worker finds it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

use crate::limits;

/// A source as a client names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// `https://…`: fetched by the worker, public addresses only.
    Https(String),
    /// `s3://bucket/key`: an object in the region's store.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key, without a leading slash.
        key: String,
    },
    /// `upload:<id>`: what was put to the address that `POST /v1/uploads` gave.
    Upload(Uuid),
    /// `file:<path>`: a file of this machine, for `panofleet run` only.
    File(PathBuf),
    /// `none`: for `fleet.noop`, which reads nothing.
    Nothing,
}

/// A source that cannot be read as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSource {
    /// None of the known forms.
    #[error(
        "source `{0}` is none of `https://…`, `s3://bucket/key`, `upload:<id>`, `file:<path>`, `none`"
    )]
    UnknownForm(String),
    /// `http://`: contents could be changed on the way.
    #[error("source `{0}` is plain http; use https")]
    PlainHttp(String),
    /// `s3://` without a bucket or a key.
    #[error("source `{0}` needs a bucket and a key: `s3://bucket/key`")]
    NoKey(String),
    /// An upload id that is not a UUID.
    #[error("source `{0}` needs the id that `POST /v1/uploads` gave: `upload:<uuid>`")]
    NoUploadId(String),
    /// Longer than a source may be.
    #[error("source is {bytes} bytes long; the limit is {max}", max = limits::SOURCE_BYTES_MAX)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl FromStr for Source {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        if text.len() > limits::SOURCE_BYTES_MAX {
            return Err(BadSource::TooLong { bytes: text.len() });
        }
        if text == "none" {
            return Ok(Self::Nothing);
        }
        if text.starts_with("https://") {
            return Ok(Self::Https(text.to_owned()));
        }
        if text.starts_with("http://") {
            return Err(BadSource::PlainHttp(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("s3://") {
            return match path.split_once('/') {
                Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                    Ok(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
                }
                _ => Err(BadSource::NoKey(text.to_owned())),
            };
        }
        if let Some(id) = text.strip_prefix("upload:") {
            let refused = |_| BadSource::NoUploadId(text.to_owned());
            return Uuid::parse_str(id).map(Self::Upload).map_err(refused);
        }
        match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => Err(BadSource::UnknownForm(text.to_owned())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(url) => f.write_str(url),
            Self::S3 { bucket, key } => write!(f, "s3://{bucket}/{key}"),
            Self::Upload(id) => write!(f, "upload:{id}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Nothing => f.write_str("none"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A source as a worker finds it: uploads have become objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SourceLocation {
    /// An object of the region's store.
    Object {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// What its SHA-256 has to be, hexadecimal, if whoever put it there said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// A public address.
    Https {
        /// The address.
        url: String,
        /// What the SHA-256 of what lies there has to be, hexadecimal, if whoever submitted it said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// Nowhere: the job reads nothing.
    Nothing,
}

impl SourceLocation {
    /// An object, whatever its contents.
    pub fn object(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self::Object { bucket: bucket.into(), key: key.into(), sha256: None }
    }

    /// An address, whatever lies there.
    pub fn https(url: impl Into<String>) -> Self {
        Self::Https { url: url.into(), sha256: None }
    }

    /// The same, with a SHA-256 that it has to have. Nothing has none.
    #[must_use]
    pub fn with_sha256(mut self, expected: Option<&String>) -> Self {
        if let (Self::Object { sha256, .. } | Self::Https { sha256, .. }, Some(expected)) =
            (&mut self, expected)
        {
            *sha256 = Some(expected.clone());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_read_back_as_written() {
        for text in [
            "https://example.com/a.jpg",
            "s3://photos/2026/a b.jpg",
            "upload:01890a5d-ac96-774b-bcce-b302099a8057",
            "file:/tmp/a.jpg",
            "none",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_location_of_a_program_of_before_is_read() {
        let before = r#"{"kind":"object","bucket":"b","key":"k"}"#;
        let location = SourceLocation::object("b", "k");
        assert_eq!(serde_json::from_str::<SourceLocation>(before).unwrap(), location);
        assert_eq!(serde_json::to_string(&location).unwrap(), before);
        let before = r#"{"kind":"https","url":"https://a.example/b.jpg"}"#;
        let location = SourceLocation::https("https://a.example/b.jpg");
        assert_eq!(serde_json::from_str::<SourceLocation>(before).unwrap(), location);
        assert_eq!(serde_json::to_string(&location).unwrap(), before);
    }

    #[test]
    fn refusals_say_what_to_write() {
        for (text, expected) in [
            ("ftp://x/y", "none of `https://…`"),
            ("http://x/y", "use https"),
            ("s3://bucket", "`s3://bucket/key`"),
            ("s3:///key", "`s3://bucket/key`"),
            ("upload:7", "`POST /v1/uploads`"),
            ("file:", "none of"),
        ] {
            let said = text.parse::<Source>().unwrap_err().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
