//! What kind of file it is, by its contents; a name never decides.

use std::fmt;

/// Bytes from the start of a file that [`sniff`] wants to see; a shorter file is fine.
pub const SNIFF_BYTES: usize = 512;

/// A file format that is known by its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of formats say what they are")]
pub enum Container {
    Jpeg,
    Png,
    Webp,
    Tiff,
    Gif,
    Heic,
    Avif,
    Bmp,
    Hdr,
    Jxl,
    Exr,
    Psd,
    Mp4,
    Mov,
    Matroska,
    Webm,
    MpegTs,
    Avi,
    Flv,
    Ogg,
    Flac,
    Mp3,
    Wav,
    Aac,
    /// A playlist of HTTP Live Streaming: names of other files.
    HlsPlaylist,
    /// A script of FFmpeg's concat demuxer: names of other files.
    ConcatScript,
}

/// What can be done with a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A still picture that is decoded.
    Still,
    /// A still picture that is only recognised.
    OtherStill,
    /// Video, audio and other tracks, probed by FFmpeg.
    Tracks,
    /// A list of other files, which is refused.
    Script,
}

impl Container {
    /// What can be done with it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Jpeg | Self::Png | Self::Webp | Self::Tiff => Kind::Still,
            Self::Gif
            | Self::Heic
            | Self::Avif
            | Self::Bmp
            | Self::Hdr
            | Self::Jxl
            | Self::Exr
            | Self::Psd => Kind::OtherStill,
            Self::Mp4
            | Self::Mov
            | Self::Matroska
            | Self::Webm
            | Self::MpegTs
            | Self::Avi
            | Self::Flv
            | Self::Ogg
            | Self::Flac
            | Self::Mp3
            | Self::Wav
            | Self::Aac => Kind::Tracks,
            Self::HlsPlaylist | Self::ConcatScript => Kind::Script,
        }
    }

    /// The name in [`MediaInfo`](panofleet_job_schema::media_info::MediaInfo): lower case, one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Tiff => "tiff",
            Self::Gif => "gif",
            Self::Heic => "heic",
            Self::Avif => "avif",
            Self::Bmp => "bmp",
            Self::Hdr => "hdr",
            Self::Jxl => "jxl",
            Self::Exr => "exr",
            Self::Psd => "psd",
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::Webm => "webm",
            Self::MpegTs => "mpegts",
            Self::Avi => "avi",
            Self::Flv => "flv",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
            Self::Aac => "aac",
            Self::HlsPlaylist => "hls",
            Self::ConcatScript => "ffconcat",
        }
    }

    /// The endings that its files usually have, lower case.
    const fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif", "mpo", "insp"],
            Self::Tiff => &["tif", "tiff"],
            Self::Heic => &["heic", "heif", "hif"],
            Self::Mp4 => &["mp4", "m4v", "m4a", "360", "insv", "lrv", "mov"],
            Self::Mov => &["mov", "qt", "mp4"],
            Self::Matroska => &["mkv", "mka"],
            Self::MpegTs => &["ts", "mts", "m2ts"],
            Self::Ogg => &["ogg", "ogv", "oga", "opus"],
            Self::HlsPlaylist => &["m3u8", "m3u"],
            Self::Png => &["png"],
            Self::Webp => &["webp"],
            Self::Gif => &["gif"],
            Self::Avif => &["avif"],
            Self::Bmp => &["bmp"],
            Self::Hdr => &["hdr"],
            Self::Jxl => &["jxl"],
            Self::Exr => &["exr"],
            Self::Psd => &["psd"],
            Self::Webm => &["webm"],
            Self::Avi => &["avi"],
            Self::Flv => &["flv"],
            Self::Flac => &["flac"],
            Self::Mp3 => &["mp3"],
            Self::Wav => &["wav"],
            Self::Aac => &["aac"],
            Self::ConcatScript => &["ffconcat", "txt"],
        }
    }

    const ALL: [Self; 26] = [
        Self::Jpeg,
        Self::Png,
        Self::Webp,
        Self::Tiff,
        Self::Gif,
        Self::Heic,
        Self::Avif,
        Self::Bmp,
        Self::Hdr,
        Self::Jxl,
        Self::Exr,
        Self::Psd,
        Self::Mp4,
        Self::Mov,
        Self::Matroska,
        Self::Webm,
        Self::MpegTs,
        Self::Avi,
        Self::Flv,
        Self::Ogg,
        Self::Flac,
        Self::Mp3,
        Self::Wav,
        Self::Aac,
        Self::HlsPlaylist,
        Self::ConcatScript,
    ];

    /// The format that has this [`name`](Self::name).
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|container| container.name() == name)
    }

    /// Whether an ending belongs to another format and to none of this one's.
    pub fn contradicts_ending(self, ending: &str) -> bool {
        let ending = ending.to_ascii_lowercase();
        let belongs = |container: Self| container.endings().contains(&ending.as_str());
        !belongs(self) && Self::ALL.into_iter().any(belongs)
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Tiff => "TIFF",
            Self::Gif => "GIF",
            Self::Heic => "HEIC",
            Self::Avif => "AVIF",
            Self::Bmp => "BMP",
            Self::Hdr => "Radiance HDR",
            Self::Jxl => "JPEG XL",
            Self::Exr => "OpenEXR",
            Self::Psd => "Photoshop",
            Self::HlsPlaylist => "an HLS playlist",
            Self::ConcatScript => "a concat script",
            other => other.name(),
        })
    }
}

/// The format of a file that begins with `head`, if it has a known signature.
pub fn sniff(head: &[u8]) -> Option<Container> {
    let container = match head {
        [0xff, 0xd8, 0xff, ..] => Container::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Container::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, form @ ..] => riff(form)?,
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Container::Tiff,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Container::Gif,
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Container::Bmp,
        [b'8', b'B', b'P', b'S', 0, 1 | 2, ..] => Container::Psd,
        [0x76, 0x2f, 0x31, 0x01, ..] => Container::Exr,
        [0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => Container::Jxl,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => iso_media(head),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => {
            if contains(head, b"webm") {
                Container::Webm
            } else {
                Container::Matroska
            }
        }
        [b'F', b'L', b'V', 1, ..] => Container::Flv,
        [b'O', b'g', b'g', b'S', ..] => Container::Ogg,
        [b'f', b'L', b'a', b'C', ..] => Container::Flac,
        [b'I', b'D', b'3', ..] => Container::Mp3,
        _ => return text_or_packets(head),
    };
    Some(container)
}

fn riff(form: &[u8]) -> Option<Container> {
    match form {
        [b'W', b'E', b'B', b'P', ..] => Some(Container::Webp),
        [b'A', b'V', b'I', b' ', ..] => Some(Container::Avi),
        [b'W', b'A', b'V', b'E', ..] => Some(Container::Wav),
        _ => None,
    }
}

/// ISO base media by its brands; the major one goes first, but `mif1` says little by itself.
fn iso_media(head: &[u8]) -> Container {
    let box_bytes = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let brands = head.get(8..box_bytes.min(head.len())).unwrap_or_default();
    for brand in brands.chunks_exact(4) {
        match brand {
            b"avif" | b"avis" => return Container::Avif,
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => return Container::Heic,
            b"qt  " => return Container::Mov,
            b"isom" | b"mp41" | b"mp42" => return Container::Mp4,
            _ => {}
        }
    }
    if brands.starts_with(b"mif1") { Container::Heic } else { Container::Mp4 }
}

/// What has no signature at byte 0, or one that is text.
fn text_or_packets(head: &[u8]) -> Option<Container> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.starts_with(b"#EXTM3U") {
        return Some(Container::HlsPlaylist);
    }
    if text.starts_with(b"ffconcat version") {
        return Some(Container::ConcatScript);
    }
    if text.starts_with(b"#?RADIANCE") || text.starts_with(b"#?RGBE") {
        return Some(Container::Hdr);
    }
    let sync_at = |at: usize| head.get(at) == Some(&0x47);
    match head {
        [_, _, _, _, b'm', b'o', b'o', b'v', ..]
        | [_, _, _, _, b'm', b'd', b'a', b't', ..]
        | [_, _, _, _, b'w', b'i', b'd', b'e', ..] => Some(Container::Mov),
        [_, _, _, _, b's', b't', b'y', b'p', ..] | [_, _, _, _, b'm', b'o', b'o', b'f', ..] => {
            Some(Container::Mp4)
        }
        _ if sync_at(0) && sync_at(188) => Some(Container::MpegTs),
        _ if sync_at(4) && sync_at(196) => Some(Container::MpegTs),
        [0xff, 0xf1 | 0xf9, ..] => Some(Container::Aac),
        [0xff, 0xfa | 0xfb | 0xf2 | 0xf3, ..] => Some(Container::Mp3),
        _ => None,
    }
}

fn contains(head: &[u8], word: &[u8]) -> bool {
    head.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures() {
        let ts: Vec<u8> = (0..400).map(|i| if i % 188 == 0 { 0x47 } else { 0 }).collect();
        for (head, expected) in [
            (&b"\xff\xd8\xff\xe0"[..], Some(Container::Jpeg)),
            (b"\x89PNG\r\n\x1a\n", Some(Container::Png)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(Container::Webp)),
            (b"RIFF\x10\0\0\0AVI LIST", Some(Container::Avi)),
            (b"RIFF\x10\0\0\0CDXA", None),
            (b"II*\0\x08\0\0\0", Some(Container::Tiff)),
            (b"MM\0+\0\x08\0\0", Some(Container::Tiff)),
            (b"GIF89a", Some(Container::Gif)),
            (b"#?RADIANCE\n", Some(Container::Hdr)),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Some(Container::Heic)),
            (b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1miaf", Some(Container::Avif)),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", Some(Container::Mov)),
            (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", Some(Container::Mp4)),
            (b"\0\0\0\0ftyp", Some(Container::Mp4)),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", Some(Container::Webm)),
            (b"\n#EXTM3U\n#EXT-X-VERSION:3\n", Some(Container::HlsPlaylist)),
            (b"ffconcat version 1.0\nfile '/etc/passwd'\n", Some(Container::ConcatScript)),
            (&ts, Some(Container::MpegTs)),
            (b"%PDF-1.7", None),
            (b"", None),
        ] {
            assert_eq!(sniff(head), expected, "{:?}", head.escape_ascii().to_string());
        }
    }

    #[test]
    fn names_are_compared_with_contents() {
        assert!(Container::Png.contradicts_ending("JPG"));
        assert!(!Container::Jpeg.contradicts_ending("jpeg"));
        assert!(!Container::Png.contradicts_ending("upload"));
        assert!(Container::HlsPlaylist.contradicts_ending("mp4"));
    }
}
