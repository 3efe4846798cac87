//! What can be wrong with a box.

use crate::FourCc;

/// Why bytes are not the box that they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoxError {
    /// A box, or a field of it, goes on beyond the bytes that hold it.
    #[error("`{0}` ends too early")]
    Short(FourCc),
    /// A box says that it is smaller than its own head.
    #[error("`{0}` gives a size that is smaller than its head")]
    Size(FourCc),
    /// More boxes, tracks or entries than are looked at.
    #[error("`{kind}` holds more than {max} parts")]
    TooMany {
        /// The box around them.
        kind: FourCc,
        /// The limit.
        max: usize,
    },
    /// A box has a version that is not known.
    #[error("`{kind}` has version {version}, which is not known")]
    Version {
        /// The box.
        kind: FourCc,
        /// Its version.
        version: u8,
    },
    /// A field has a value that its specification does not allow.
    #[error("`{kind}` is wrong: {said}")]
    Value {
        /// The box.
        kind: FourCc,
        /// What about it.
        said: &'static str,
    },
    /// A box that must be there is not.
    #[error("there is no `{0}`")]
    Missing(FourCc),
    /// The XML of a spherical `uuid` cannot be read.
    #[error("the spherical XML cannot be read: {0}")]
    Xml(String),
}
