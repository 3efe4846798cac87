//! Boxes made.

/// Appends a box to `to`; `body` writes what it holds.
///
/// # Panics
/// If the box has 4 GiB or more: what is made here are heads of files, and fragments of limited length.
pub fn write_box(to: &mut Vec<u8>, kind: &[u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend([0; 4]);
    to.extend(kind);
    body(to);
    let bytes =
        u32::try_from(to.len() - start).expect("heads of files and fragments are below 4 GiB");
    to[start..start + 4].copy_from_slice(&bytes.to_be_bytes());
}

/// Appends a box with a version and flags (24 bits).
///
/// # Panics
/// As [`write_box`].
pub fn write_full_box(
    to: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    write_box(to, kind, |to| {
        to.extend((u32::from(version) << 24 | flags & 0xff_ffff).to_be_bytes());
        body(to);
    });
}
