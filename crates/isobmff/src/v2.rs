//! Spherical Video V2: `st3d` and `sv3d`, which lie in a video sample entry.
//!
//! Source: Google's Spherical Video V2 RFC.

use crate::cursor::Cursor;
use crate::{BoxError, BoxRef, FourCc, write_box, write_full_box};

/// Bytes of the text in `svhd` that are kept.
const SOURCE_BYTES_MAX: usize = 1024;

/// Bytes of an `mshp` that are kept; real ones have some 100 KiB.
const MESH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How the two eyes lie in a frame (`st3d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StereoMode {
    /// One picture for both eyes.
    Mono,
    /// The left eye above the right.
    TopBottom,
    /// The left eye left of the right.
    LeftRight,
    /// As a mesh says.
    Custom,
    /// The left eye right of the right.
    RightLeft,
}

impl StereoMode {
    const ALL: [Self; 5] =
        [Self::Mono, Self::TopBottom, Self::LeftRight, Self::Custom, Self::RightLeft];

    /// Reads an `st3d`.
    ///
    /// # Errors
    /// Another version than 0, a mode that is not known, or a box that ends too early.
    pub fn parse(found: &BoxRef<'_>) -> Result<Self, BoxError> {
        let mut cursor = found.cursor();
        cursor.full_box(0)?;
        let mode = usize::from(cursor.u8()?);
        let unknown = BoxError::Value { kind: found.kind, said: "its stereo mode is not known" };
        Self::ALL.get(mode).copied().ok_or(unknown)
    }

    /// Appends the `st3d` that says so.
    pub fn write(self, to: &mut Vec<u8>) {
        let number = Self::ALL.iter().position(|mode| *mode == self).unwrap_or_default();
        write_full_box(to, b"st3d", 0, 0, |to| to.push(number as u8));
    }
}

/// Where the camera looked: degrees in 16.16 fixed point, applied as yaw, then pitch, then roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pose {
    /// Counter-clockwise around the axis that points up, ±180°.
    pub yaw: i32,
    /// Counter-clockwise around the axis that points right, ±90°.
    pub pitch: i32,
    /// Clockwise around the axis that points forward, ±180°.
    pub roll: i32,
}

/// What an equirectangular frame leaves out at each side, as a share of the whole in 0.32 fixed point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Above the frame.
    pub top: u32,
    /// Below it.
    pub bottom: u32,
    /// Left of it.
    pub left: u32,
    /// Right of it.
    pub right: u32,
}

/// What the pixels of a frame show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    /// The sphere by longitude and latitude, or a part of it (`equi`).
    Equirectangular(Bounds),
    /// Six faces (`cbmp`).
    Cubemap {
        /// 0 is 3 × 2: right, left, up above down, front, back.
        layout: u32,
        /// Pixels between a face and its border.
        padding_px: u32,
    },
    /// A mesh (`mshp`), whose body is kept as it is.
    Mesh {
        /// Version and flags, checksum, encoding, mesh.
        body: Vec<u8>,
    },
}

/// An `sv3d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spherical {
    /// The program that wrote the metadata.
    pub source: String,
    /// Where the camera looked.
    pub pose: Pose,
    /// What the pixels show.
    pub projection: Projection,
}

impl Spherical {
    /// Reads an `sv3d`. One without `svhd` is read too: Google's own tool wrote such files for years.
    ///
    /// # Errors
    /// A `proj`, `prhd` or projection that is missing, cut or damaged.
    pub fn parse(found: &BoxRef<'_>) -> Result<Self, BoxError> {
        let missing = |kind: &[u8; 4]| BoxError::Missing(FourCc(*kind));
        let source = found.children().find_kind(b"svhd")?;
        let source = source.map(|svhd| parse_source(&svhd)).transpose()?.unwrap_or_default();
        let proj = found.children().find_kind(b"proj")?.ok_or_else(|| missing(b"proj"))?;
        let prhd = proj.children().find_kind(b"prhd")?.ok_or_else(|| missing(b"prhd"))?;
        let mut cursor = prhd.cursor();
        cursor.full_box(0)?;
        let pose = Pose { yaw: cursor.i32()?, pitch: cursor.i32()?, roll: cursor.i32()? };
        for child in proj.children() {
            if let Some(projection) = Projection::parse(&child?)? {
                return Ok(Self { source, pose, projection });
            }
        }
        Err(missing(b"equi"))
    }

    /// Appends the `sv3d`: `svhd`, then `proj` with `prhd` and the projection.
    pub fn write(&self, to: &mut Vec<u8>) {
        write_box(to, b"sv3d", |to| {
            write_full_box(to, b"svhd", 0, 0, |to| {
                to.extend(self.source.bytes().filter(|byte| *byte != 0));
                to.push(0);
            });
            write_box(to, b"proj", |to| {
                write_full_box(to, b"prhd", 0, 0, |to| {
                    let Pose { yaw, pitch, roll } = self.pose;
                    to.extend([yaw, pitch, roll].iter().flat_map(|angle| angle.to_be_bytes()));
                });
                self.projection.write(to);
            });
        });
    }
}

fn parse_source(svhd: &BoxRef<'_>) -> Result<String, BoxError> {
    let mut cursor = svhd.cursor();
    cursor.full_box(0)?;
    let text = cursor.rest().split(|byte| *byte == 0).next().unwrap_or_default();
    let text = &text[..text.len().min(SOURCE_BYTES_MAX)];
    Ok(String::from_utf8_lossy(text).into_owned())
}

impl Projection {
    /// The projection that a child of `proj` describes; `None` for another box.
    fn parse(found: &BoxRef<'_>) -> Result<Option<Self>, BoxError> {
        let mut cursor = found.cursor();
        Ok(Some(match &found.kind.0 {
            b"equi" => {
                cursor.full_box(0)?;
                Self::Equirectangular(Bounds::parse(&mut cursor, found.kind)?)
            }
            b"cbmp" => {
                cursor.full_box(0)?;
                Self::Cubemap { layout: cursor.u32()?, padding_px: cursor.u32()? }
            }
            b"mshp" => {
                cursor.full_box(0)?;
                // Checksum and encoding are all that is looked at.
                cursor.skip(8)?;
                if found.body.len() > MESH_BYTES_MAX {
                    return Err(BoxError::TooMany { kind: found.kind, max: MESH_BYTES_MAX });
                }
                Self::Mesh { body: found.body.to_vec() }
            }
            _ => return Ok(None),
        }))
    }

    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Equirectangular(Bounds { top, bottom, left, right }) => {
                write_full_box(to, b"equi", 0, 0, |to| {
                    to.extend(
                        [top, bottom, left, right].iter().flat_map(|side| side.to_be_bytes()),
                    );
                });
            }
            Self::Cubemap { layout, padding_px } => write_full_box(to, b"cbmp", 0, 0, |to| {
                to.extend(layout.to_be_bytes());
                to.extend(padding_px.to_be_bytes());
            }),
            Self::Mesh { body } => write_box(to, b"mshp", |to| to.extend(body)),
        }
    }
}

impl Bounds {
    fn parse(cursor: &mut Cursor<'_>, kind: FourCc) -> Result<Self, BoxError> {
        let [top, bottom] = [cursor.u32()?, cursor.u32()?];
        let [left, right] = [cursor.u32()?, cursor.u32()?];
        if top.checked_add(bottom).is_none() || left.checked_add(right).is_none() {
            return Err(BoxError::Value { kind, said: "its bounds leave nothing of the sphere" });
        }
        Ok(Self { top, bottom, left, right })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Boxes;

    fn first(bytes: &[u8]) -> BoxRef<'_> {
        Boxes::new(FourCc(*b"test"), bytes).next().unwrap().unwrap()
    }

    /// Each row is a box as the RFC lays it out, byte for byte.
    #[test]
    fn boxes_are_the_bytes_of_the_rfc() {
        let stereo = b"\0\0\0\x0dst3d\0\0\0\0\x01";
        let mut written = Vec::new();
        StereoMode::TopBottom.write(&mut written);
        assert_eq!(written, stereo);
        assert_eq!(StereoMode::parse(&first(stereo)), Ok(StereoMode::TopBottom));

        let head = b"\0\0\0\x0esvhd\0\0\0\0p\0";
        // Yaw 10°, pitch −5°, roll 0.5°.
        let pose = b"\0\0\0\x18prhd\0\0\0\0\0\x0a\0\0\xff\xfb\0\0\0\0\x80\0";
        let quarter = 0x3fff_ffff;
        for (body, projection) in [
            (
                &b"\0\0\0\x1cequi\0\0\0\0\0\0\0\0\0\0\0\0\x3f\xff\xff\xff\x3f\xff\xff\xff"[..],
                Projection::Equirectangular(Bounds {
                    top: 0,
                    bottom: 0,
                    left: quarter,
                    right: quarter,
                }),
            ),
            (
                b"\0\0\0\x14cbmp\0\0\0\0\0\0\0\0\0\0\0\x10",
                Projection::Cubemap { layout: 0, padding_px: 16 },
            ),
            (
                b"\0\0\0\x18mshp\0\0\0\0\x01\x02\x03\x04raw mesh",
                Projection::Mesh { body: b"\0\0\0\0\x01\x02\x03\x04raw mesh".to_vec() },
            ),
        ] {
            let proj = [
                &(8 + pose.len() as u32 + body.len() as u32).to_be_bytes(),
                &b"proj"[..],
                pose,
                body,
            ]
            .concat();
            let size = (8 + head.len() as u32 + proj.len() as u32).to_be_bytes();
            let bytes = [&size, &b"sv3d"[..], head, &proj].concat();
            let pose = Pose { yaw: 10 << 16, pitch: -5 << 16, roll: 1 << 15 };
            let spherical = Spherical { source: "p".into(), pose, projection };
            let mut written = Vec::new();
            spherical.write(&mut written);
            assert_eq!(written, bytes, "{spherical:?}");
            assert_eq!(Spherical::parse(&first(&bytes)), Ok(spherical));
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let mut bytes = Vec::new();
        let bounds = Bounds { left: 1 << 31, right: 1 << 31, ..Bounds::default() };
        let projection = Projection::Equirectangular(bounds);
        Spherical { source: String::new(), pose: Pose::default(), projection }.write(&mut bytes);
        let error = Spherical::parse(&first(&bytes)).unwrap_err();
        assert!(matches!(error, BoxError::Value { .. }), "{error}");
        let mode = StereoMode::parse(&first(b"\0\0\0\x0dst3d\0\0\0\0\x05")).unwrap_err();
        assert!(matches!(mode, BoxError::Value { .. }), "{mode}");
        let version = StereoMode::parse(&first(b"\0\0\0\x0dst3d\x01\0\0\0\x01")).unwrap_err();
        assert_eq!(version, BoxError::Version { kind: FourCc(*b"st3d"), version: 1 });
        let bare = Spherical::parse(&first(b"\0\0\0\x10sv3d\0\0\0\x08proj")).unwrap_err();
        assert_eq!(bare, BoxError::Missing(FourCc(*b"prhd")));
    }
}
