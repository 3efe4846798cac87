//! What derivatives tell about the picture that they were made of.

use serde::{Deserialize, Serialize};

use crate::operation_doc::{ParameterDoc, ParameterKind};

/// What happens to the source's EXIF data.
///
/// Whatever is chosen, orientation is 1 because pixels are turned, Photo Sphere fields are written as far as
/// they are true of the derivative, and maker notes, serial numbers, previews, editing histories and gain
/// maps stay behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataPolicy {
    /// None of it is written: no time, no place, no camera, no program.
    #[default]
    Strip,
    /// Time, place, camera, exposure, author and copyright are written.
    Keep,
    /// The same without the place.
    KeepWithoutLocation,
}

impl MetadataPolicy {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["strip", "keep", "keep_without_location"];

    /// The parameter, for every operation that writes a picture.
    pub const DOC: ParameterDoc = ParameterDoc {
        name: "metadata",
        kind: ParameterKind::Choice { of: Self::WORDS },
        default: "\"strip\"",
        summary: "EXIF data of the source: `strip` writes none, `keep` writes time, place, camera and author, \
                  `keep_without_location` all of it but the place",
    };
}
