//! Conditional requests.

use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

/// When a write may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WriteCondition {
    /// Always.
    None,
    /// There is no such object: `If-None-Match: *`.
    Absent,
    /// There is one: `If-Match: *`.
    Present,
    /// The object has this tag: `If-Match: "…"`.
    Tag(String),
}

impl WriteCondition {
    /// Reads the headers of a write.
    ///
    /// # Errors
    /// `NotImplemented` for a tag in `If-None-Match`, which S3 does not know for writes either, and
    /// for both headers at once.
    pub(super) fn of(
        if_none_match: Option<&ETagCondition>,
        if_match: Option<&ETagCondition>,
    ) -> S3Result<Self> {
        match (if_none_match, if_match) {
            (None, None) => Ok(Self::None),
            (Some(ETagCondition::Any), None) => Ok(Self::Absent),
            (None, Some(ETagCondition::Any)) => Ok(Self::Present),
            (None, Some(ETagCondition::ETag(tag))) => Ok(Self::Tag(tag.value().to_owned())),
            (Some(_), _) => Err(s3_error!(
                NotImplemented,
                "a write may have If-None-Match: * or If-Match, not both, and no other tag"
            )),
        }
    }
}

/// Checks the conditions of a read against the object's tag.
///
/// # Errors
/// `PreconditionFailed` (412), `NotModified` (304, with the tag).
pub(super) fn check_read(
    etag: &str,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let is_it = |condition: &ETagCondition| match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(tag) => tag.value() == etag,
    };
    if if_match.is_some_and(|condition| !is_it(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(is_it) {
        let mut unchanged = S3Error::new(S3ErrorCode::NotModified);
        let tag = ETag::Strong(etag.to_owned()).to_http_header();
        unchanged.set_headers(tag.map(|tag| (http::header::ETAG, tag)).into_iter().collect());
        return Err(unchanged);
    }
    Ok(())
}
