//! Files that are wrong in thousands of ways: the short form of what `fuzz/` does for as long as one likes.

use std::path::Path;

use panofleet_job_schema::ErrorClass;
use panofleet_media::{decode, decode_deep};

use crate::check::{check, with_exif, with_pictures, with_xmp};
use crate::fixture;

/// Numbers that look like chance and are the same every time (xorshift64*, Vigna 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }

    /// A place that is more likely near the beginning, where headers are.
    fn place(&mut self, end: usize) -> usize {
        let reach = [64, 512, 4096, end][self.below(4)].min(end);
        self.below(reach)
    }
}

/// The bytes with some of them changed, cut out, doubled, or taken from elsewhere.
fn mutated(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.place(bytes.len());
        let length = 1 + random.below(16);
        let end = (at + length).min(bytes.len());
        match random.below(8) {
            0 => bytes[at..end].fill([0, 0xff, 0x7f, 0x80][random.below(4)]),
            1 | 2 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            3 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            6 => {
                let from = random.place(other.len());
                let part = &other[from..(from + 256).min(other.len())];
                bytes.splice(at..end, part.iter().copied());
            }
            _ if random.below(4) == 0 => bytes.truncate(at),
            _ => {}
        }
    }
    bytes
}

/// Every fixture that is a still picture of at most 100 kB, in the order of names.
fn seeds() -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = ["", "metadata", "broken"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(fixture(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| std::fs::read(path).unwrap();
    let seeds: Vec<_> = paths.iter().map(read).filter(|seed| seed.len() <= 100_000).collect();
    assert!(seeds.len() > 40, "only {} seeds", seeds.len());
    seeds
}

#[test]
fn no_mutation_of_a_file_breaks_the_probe() {
    let (seeds, mut random) = (seeds(), Random(0x9e37_79b9_7f4a_7c15));
    for round in 0..6000 {
        let other = random.below(seeds.len());
        check(&mutated(&seeds[round % seeds.len()], &seeds[other], &mut random));
    }
}

#[test]
fn no_mutation_of_metadata_breaks_the_probe() {
    let mut random = Random(0xd1b5_4a32_d192_ed03);
    let camera = std::fs::read(fixture("metadata/camera.jpg")).unwrap();
    let spherical = std::fs::read(fixture("partial-attributes.jpg")).unwrap();
    let several = std::fs::read(fixture("metadata/two-eyes.mpo")).unwrap();
    // Behind JFIF's segment, the head of the next one and its name.
    let (block, packet, index) = (&camera[30..900], &spherical[53..900], &several[28..110]);
    assert!(block.starts_with(b"MM\0*") && index.starts_with(b"MM\0*"));
    assert!(packet.starts_with(b"<x:xmpmeta"));
    for _ in 0..3000 {
        check(&with_exif(&mutated(block, packet, &mut random)));
        check(&with_xmp(&mutated(packet, block, &mut random)));
        check(&with_pictures(&mutated(index, &several, &mut random)));
    }
}

/// Decoders of others are behind this one: here an answer is enough, and that it blames the file.
#[test]
fn no_mutation_of_a_small_file_breaks_the_decoder() {
    let mut random = Random(0xa076_1d64_78bd_642f);
    let seeds: Vec<_> = seeds().into_iter().filter(|seed| seed.len() < 6000).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    for round in 0..600 {
        let other = random.below(seeds.len());
        let bytes = mutated(&seeds[round % seeds.len()], &seeds[other], &mut random);
        std::fs::write(file.path(), &bytes).unwrap();
        let failed = match round % 2 {
            0 => decode(file.path()).err(),
            _ => decode_deep(file.path()).err(),
        };
        assert!(failed.is_none_or(|error| error.class() == ErrorClass::Rejected), "{round}");
    }
}

/// What fuzzing found, and was mended.
#[test]
fn nothing_that_was_found_breaks_it_again() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/found"));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for file in [&bytes, &with_exif(&bytes), &with_xmp(&bytes), &with_pictures(&bytes)] {
            check(file);
        }
        count += 1;
    }
    assert!(count > 0, "the folder is empty");
}
