//! The documentation of the parameters that panorama operations share.

use super::{LensKind, LensOrder, ProjectionName};
use crate::operation_doc::{ParameterDoc, ParameterKind};
use crate::operations::shared::{EyeChoice, StereoLayout};

/// Those of a [`PanoramaSource`](super::PanoramaSource).
pub(crate) const SOURCE: [ParameterDoc; 8] = [
    ParameterDoc {
        name: "projection",
        kind: ParameterKind::Choice { of: ProjectionName::WORDS },
        default: "null",
        summary: "the source's projection; else GPano's, else equirectangular, or a cube map for a row or a column of six \
                  squares",
    },
    ParameterDoc {
        name: "lens",
        kind: ParameterKind::Choice { of: LensKind::WORDS },
        default: "null",
        summary: "how the lens of a fisheye source bends rays; equidistant if not given",
    },
    ParameterDoc {
        name: "lens_order",
        kind: ParameterKind::Choice { of: LensOrder::WORDS },
        default: "null",
        summary: "which lens of a dual-fisheye source is on the left; front_first if not given",
    },
    ParameterDoc {
        name: "stereo",
        kind: ParameterKind::Choice { of: StereoLayout::WORDS },
        default: "\"auto\"",
        summary: "how the eyes of a stereo source lie in it; `auto` takes 1:1 for top-bottom and 4:1 for left-right, of \
                  half the sphere 1:2 and 2:1",
    },
    ParameterDoc {
        name: "eye",
        kind: ParameterKind::Choice { of: EyeChoice::WORDS },
        default: "\"left\"",
        summary: "which eyes of a stereo source to use",
    },
    ParameterDoc {
        name: "haov_deg",
        kind: ParameterKind::Number { min: 1.0, max: 360.0 },
        default: "null",
        summary: "horizontal extent of the source, in degrees: of a partial panorama, a cylinder, a flat picture; of a \
                  fisheye its field of view; goes before GPano",
    },
    ParameterDoc {
        name: "vaov_deg",
        kind: ParameterKind::Number { min: 1.0, max: 180.0 },
        default: "null",
        summary: "vertical extent of a partial equirectangular source, in degrees; goes before GPano",
    },
    ParameterDoc {
        name: "center_pitch_deg",
        kind: ParameterKind::Number { min: -90.0, max: 90.0 },
        default: "null",
        summary: "pitch of the middle row of a partial equirectangular source, in degrees, up positive; 0 if not given",
    },
];
