//! Paints the fixtures that need a codec: `cargo run -p panofleet-media --example make_fixtures -- fixtures`.
//!
//! Metadata is put in here by hand, byte by byte, so that the readers are not tested with their own writers.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use image::codecs::{png::PngEncoder, tiff::TiffEncoder};
use image::{ExtendedColorType, ImageEncoder};
use moxcms::ColorProfile;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

#[path = "../../../fixtures/scene.rs"]
#[expect(dead_code, reason = "no cube face is painted here")]
mod scene;

type Made = Result<(), Box<dyn std::error::Error>>;

/// A part of the full equirectangular picture.
#[derive(Clone, Copy)]
struct Part {
    full: (u32, u32),
    corner: (u32, u32),
    size: (u32, u32),
}

impl Part {
    const fn whole(width: u32, height: u32) -> Self {
        Self { full: (width, height), corner: (0, 0), size: (width, height) }
    }

    /// Interleaved RGB; each pixel is the mean of 4 × 4 samples.
    fn paint(self) -> Vec<u8> {
        let mut rgb = Vec::new();
        for y in 0..self.size.1 {
            for x in 0..self.size.0 {
                rgb.extend(self.pixel(x + self.corner.0, y + self.corner.1));
            }
        }
        rgb
    }

    fn pixel(self, x: u32, y: u32) -> [u8; 3] {
        let mut sum = [0.0; 3];
        for (dx, dy) in (0..16).map(|i| (f64::from(i % 4), f64::from(i / 4))) {
            let u = (f64::from(x) + (dx + 0.5) / 4.0) / f64::from(self.full.0);
            let v = (f64::from(y) + (dy + 0.5) / 4.0) / f64::from(self.full.1);
            let colour = scene::colour(scene::direction(u, v));
            sum = std::array::from_fn(|channel| sum[channel] + colour[channel]);
        }
        sum.map(|sum| (sum / 16.0).round() as u8)
    }
}

fn main() -> Made {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("say which folder to write to")?);
    panoramas(&folder)?;
    metadata(&folder)?;
    depths(&folder)?;
    colours(&folder)
}

fn panoramas(folder: &Path) -> Made {
    let whole = Part::whole(1024, 512);
    fs::write(folder.join("equirect.jpg"), jpeg(&whole.paint(), whole.size)?)?;

    // The right eye sees the same with red and blue swapped.
    let eye = Part::whole(512, 256);
    let left = eye.paint();
    let right = left.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*b, *g, *r]);
    let both: Vec<u8> = left.iter().copied().chain(right).collect();
    fs::write(folder.join("stereo-top-bottom.jpg"), jpeg(&both, (512, 512))?)?;

    let half = Part::whole(512, 256);
    let mut encoder = panofleet_media::Encoder::new(
        panofleet_job_schema::operation::TileFormat::Webp,
        90,
        panofleet_media::Embedded::default(),
    )?;
    let size = panofleet_raster::Size::new(512, 256).ok_or("empty")?;
    fs::write(folder.join("equirect.webp"), encoder.encode(&half.paint(), size)?)?;

    let small = Part::whole(256, 128);
    let tiff = TiffEncoder::new(BufWriter::new(File::create(folder.join("equirect.tiff"))?));
    tiff.write_image(&small.paint(), 256, 128, ExtendedColorType::Rgb8)?;
    Ok(())
}

fn metadata(folder: &Path) -> Made {
    let part = Part { full: (1024, 512), corner: (128, 64), size: (512, 256) };
    let fields = [
        ("ProjectionType", "equirectangular"),
        ("FullPanoWidthPixels", "1024"),
        ("FullPanoHeightPixels", "512"),
        ("CroppedAreaImageWidthPixels", "512"),
        ("CroppedAreaImageHeightPixels", "256"),
        ("CroppedAreaLeftPixels", "128"),
        ("CroppedAreaTopPixels", "64"),
        ("PoseHeadingDegrees", "350.0"),
        ("InitialViewHeadingDegrees", "320.0"),
        ("InitialViewPitchDegrees", "10.0"),
    ];
    let head = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:GPano="http://ns.google.com/photos/1.0/panorama/""#;
    let attributes: String =
        fields.iter().map(|(name, value)| format!(r#" GPano:{name}="{value}""#)).collect();
    let elements: String = fields
        .iter()
        .map(|(name, value)| format!("<GPano:{name}>{value}</GPano:{name}>"))
        .collect();
    let tail = "</rdf:RDF></x:xmpmeta>";
    let picture = jpeg(&part.paint(), part.size)?;
    for (name, packet) in [
        ("partial-attributes.jpg", format!("{head}{attributes}/>{tail}")),
        ("partial-elements.jpg", format!("{head}>{elements}</rdf:Description>{tail}")),
    ] {
        let body = [b"http://ns.adobe.com/xap/1.0/\0", packet.as_bytes()].concat();
        fs::write(folder.join(name), with_segment(&picture, 0xe1, &body))?;
    }

    // Stored lying on its left side: a quarter turn clockwise makes it upright.
    let upright = Part::whole(256, 128);
    let stored: Vec<u8> =
        (0..256 * 128).flat_map(|index| upright.pixel(255 - index / 128, index % 128)).collect();
    let exif =
        [&b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"[..], &[0; 4]].concat();
    let picture = jpeg(&stored, (128, 256))?;
    fs::write(folder.join("orientation-6.jpg"), with_segment(&picture, 0xe1, &exif))?;
    Ok(())
}

fn depths(folder: &Path) -> Made {
    // Every pixel another value, the low byte too: red rises by 1031 a pixel, green falls, blue is x·y.
    let deep: Vec<u8> = (0..64 * 32_u32)
        .flat_map(|index| {
            let (x, y) = (index % 64, index / 64);
            [(index * 1031) as u16, (65_535 - index * 31) as u16, (x * y * 33) as u16]
        })
        .flat_map(u16::to_ne_bytes)
        .collect();
    let file = BufWriter::new(File::create(folder.join("deep.png"))?);
    PngEncoder::new(file).write_image(&deep, 64, 32, ExtendedColorType::Rgb16)?;

    // Alpha rises from left to right.
    let clear: Vec<u8> =
        (0..32 * 16_u32).flat_map(|index| [200, 100, 50, (index % 32 * 8) as u8]).collect();
    let file = BufWriter::new(File::create(folder.join("alpha.png"))?);
    PngEncoder::new(file).write_image(&clear, 32, 16, ExtendedColorType::Rgba8)?;
    Ok(())
}

/// Patches of 16 × 16 beside each other.
const PATCHES: [[u8; 3]; 4] = [[200, 100, 50], [90, 180, 60], [30, 40, 220], [128, 128, 128]];

fn colours(folder: &Path) -> Made {
    let patches: Vec<u8> = (0..64 * 16_usize).flat_map(|index| PATCHES[index % 64 / 16]).collect();
    let p3 = ColorProfile::new_display_p3().encode()?;
    let mut png = PngEncoder::new(BufWriter::new(File::create(folder.join("display-p3.png"))?));
    png.set_icc_profile(p3.clone())?;
    png.write_image(&patches, 64, 16, ExtendedColorType::Rgb8)?;

    let body = [b"ICC_PROFILE\0\x01\x01", p3.as_slice()].concat();
    let picture = jpeg(&patches, (64, 16))?;
    fs::write(folder.join("display-p3.jpg"), with_segment(&picture, 0xe2, &body))?;
    let broken = [b"ICC_PROFILE\0\x01\x01", &p3[..p3.len() / 2]].concat();
    fs::write(folder.join("broken-profile.jpg"), with_segment(&picture, 0xe2, &broken))?;

    // White, cyan, magenta, yellow, black, and half of all: stored inverted, as Adobe does.
    let inks =
        [[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255], [128; 4]];
    let stored: Vec<u8> = (0..96 * 16_usize)
        .flat_map(|index| inks[index % 96 / 16].map(|ink: u8| 255 - ink))
        .collect();
    let mut compressor = Compressor::new()?;
    compressor.set_quality(95)?;
    compressor.set_subsamp(Subsamp::None)?;
    let image = Image {
        pixels: &stored[..],
        width: 96,
        pitch: 4 * 96,
        height: 16,
        format: PixelFormat::CMYK,
    };
    let cmyk = compressor.compress_to_vec(image)?;
    fs::write(folder.join("cmyk.jpg"), &cmyk)?;
    let body = [b"ICC_PROFILE\0\x01\x01", press_profile().as_slice()].concat();
    // libjpeg puts no JFIF segment into this kind; the profile goes behind SOI.
    let tagged = [&cmyk[..2], &segment(0xe2, &body), &cmyk[2..]].concat();
    fs::write(folder.join("cmyk-profile.jpg"), tagged)?;
    Ok(())
}

/// A profile of a press that never was: no ink is white, each ink alone has a colour of its own in Lab, and
/// every mixture is black. An 8-bit table of two points a side (ICC.1:2010, 10.10).
fn press_profile() -> Vec<u8> {
    const LAB: [(usize, [u8; 3]); 4] = [
        (0b0000, [255, 128, 128]),
        (0b1000, [140, 91, 78]),
        (0b0100, [122, 202, 125]),
        (0b0010, [227, 123, 221]),
    ];

    let mut table = b"mft1\0\0\0\0".to_vec();
    table.extend([4, 3, 2, 0]);
    for diagonal in [1_u32, 0, 0, 0, 1, 0, 0, 0, 1] {
        table.extend((diagonal << 16).to_be_bytes());
    }
    (0..4).for_each(|_| table.extend(0..=255));
    for point in 0..16 {
        let lab =
            LAB.iter().find(|(inks, _)| *inks == point).map_or([0, 128, 128], |(_, lab)| *lab);
        table.extend(lab);
    }
    (0..3).for_each(|_| table.extend(0..=255));
    let white: Vec<u8> = [
        *b"XYZ ",
        [0; 4],
        0xf6d6_u32.to_be_bytes(),
        0x1_0000_u32.to_be_bytes(),
        0xd32d_u32.to_be_bytes(),
    ]
    .concat();

    let tags = [(*b"A2B0", &table), (*b"wtpt", &white)];
    let mut body = (tags.len() as u32).to_be_bytes().to_vec();
    let mut offset = 128 + 4 + 12 * tags.len();
    for (name, data) in tags {
        body.extend(name);
        body.extend((offset as u32).to_be_bytes());
        body.extend((data.len() as u32).to_be_bytes());
        offset += data.len();
    }
    body.extend(tags.iter().flat_map(|(_, data)| data.iter().copied()));

    let mut profile = vec![0; 128];
    profile[..4].copy_from_slice(&(128 + body.len() as u32).to_be_bytes());
    profile[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    profile[12..24].copy_from_slice(b"prtrCMYKLab ");
    profile[24..36].copy_from_slice(&[7, 0xea, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    profile[36..40].copy_from_slice(b"acsp");
    profile[68..80].copy_from_slice(&white[8..20]);
    profile.extend(body);
    profile
}

fn jpeg(rgb: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, turbojpeg::Error> {
    let (width, height) = (width as usize, height as usize);
    let mut compressor = Compressor::new()?;
    compressor.set_quality(90)?;
    compressor.set_subsamp(Subsamp::Sub2x2)?;
    compressor.set_optimize(true)?;
    compressor.compress_to_vec(Image {
        pixels: rgb,
        width,
        pitch: 3 * width,
        height,
        format: PixelFormat::RGB,
    })
}

/// Puts a segment behind the JFIF one.
fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let (head, rest) = jpeg.split_at(20);
    [head, &segment(marker, body), rest].concat()
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker], &length[..], body].concat()
}
