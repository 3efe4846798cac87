//! Checksums of a body: what the client says it is, and what came.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::HeaderMap;
use s3s::S3Result;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{TrailingHeaders, s3_error};

/// `x-amz-checksum-<algorithm>`, before the body or after it.
const ALGORITHMS: [(&str, &str); 5] = [
    ("crc32", "x-amz-checksum-crc32"),
    ("crc32c", "x-amz-checksum-crc32c"),
    ("crc64nvme", "x-amz-checksum-crc64nvme"),
    ("sha1", "x-amz-checksum-sha1"),
    ("sha256", "x-amz-checksum-sha256"),
];

/// What a client says about its body.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    /// Checksums by algorithm, base64; those that are to come after the body are empty.
    checksums: BTreeMap<&'static str, Option<String>>,
    md5: Option<String>,
    trailers: Option<TrailingHeaders>,
}

/// Sums up a body as it comes.
pub(super) struct Digest {
    etag: Sha256,
    md5: Option<Md5>,
    checksums: ChecksumHasher,
}

impl Claims {
    /// Reads the claims of a request.
    pub(super) fn of(headers: &HeaderMap, trailers: Option<TrailingHeaders>) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let announced = text("x-amz-trailer").unwrap_or_default();
        let mut checksums = BTreeMap::new();
        for (algorithm, header) in ALGORITHMS {
            if let Some(value) = text(header) {
                checksums.insert(algorithm, Some(value.to_owned()));
            } else if announced.split(',').any(|name| name.trim().eq_ignore_ascii_case(header)) {
                checksums.insert(algorithm, None);
            }
        }
        Self { checksums, md5: text("content-md5").map(str::to_owned), trailers }
    }

    /// Compares them with what came.
    ///
    /// # Errors
    /// `BadDigest` if one differs, `InvalidRequest` if an announced one did not come.
    fn verify(self, found: &BTreeMap<&'static str, String>) -> S3Result<BTreeMap<String, String>> {
        let trailers = self.trailers.and_then(|trailers| trailers.take()).unwrap_or_default();
        let mut verified = BTreeMap::new();
        for (algorithm, header) in ALGORITHMS {
            let Some(before) = self.checksums.get(algorithm) else { continue };
            let after = trailers.get(header).and_then(|value| value.to_str().ok());
            let Some(claimed) = before.as_deref().or(after) else {
                return Err(s3_error!(InvalidRequest, "the announced {header} did not come"));
            };
            if found.get(algorithm).map(String::as_str) != Some(claimed) {
                return Err(s3_error!(BadDigest, "{header} is not that of the body"));
            }
            verified.insert(algorithm.to_owned(), claimed.to_owned());
        }
        Ok(verified)
    }
}

impl Digest {
    pub(super) fn new(claims: &Claims) -> Self {
        let wants = |algorithm| claims.checksums.contains_key(algorithm);
        Self {
            etag: Sha256::new(),
            md5: claims.md5.is_some().then(Md5::new),
            checksums: ChecksumHasher {
                crc32: wants("crc32").then(Crc32::new),
                crc32c: wants("crc32c").then(Crc32c::new),
                crc64nvme: wants("crc64nvme").then(Crc64Nvme::new),
                sha1: wants("sha1").then(Sha1::new),
                sha256: wants("sha256").then(Sha256::new),
            },
        }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        self.etag.update(piece);
        self.checksums.update(piece);
        if let Some(md5) = &mut self.md5 {
            md5.update(piece);
        }
    }

    /// The entity tag (SHA-256, hexadecimal) and the verified checksums.
    ///
    /// # Errors
    /// As [`Claims::verify`].
    pub(super) fn finish(self, claims: Claims) -> S3Result<(String, BTreeMap<String, String>)> {
        if let (Some(md5), Some(claimed)) = (self.md5, &claims.md5)
            && BASE64.encode(md5.finalize()) != *claimed
        {
            return Err(s3_error!(BadDigest, "Content-MD5 is not that of the body"));
        }
        let checksums = claims.verify(&by_algorithm(self.checksums.finalize()))?;
        Ok((hex::encode(self.etag.finalize()), checksums))
    }
}

/// The entity tag of an object made of parts.
pub(super) fn etag_of_parts<'a>(etags: impl ExactSizeIterator<Item = &'a str>) -> String {
    let parts = etags.len();
    let mut digest = Sha256::new();
    etags.for_each(|etag| digest.update(etag.as_bytes()));
    format!("{}-{parts}", hex::encode(digest.finalize()))
}

fn by_algorithm(checksum: Checksum) -> BTreeMap<&'static str, String> {
    let found = [
        ("crc32", checksum.checksum_crc32),
        ("crc32c", checksum.checksum_crc32c),
        ("crc64nvme", checksum.checksum_crc64nvme),
        ("sha1", checksum.checksum_sha1),
        ("sha256", checksum.checksum_sha256),
    ];
    found.into_iter().filter_map(|(algorithm, sum)| Some((algorithm, sum?))).collect()
}
