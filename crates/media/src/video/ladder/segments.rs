//! Segments of one track.

use panofleet_isobmff::BoxError;
use panofleet_isobmff::cmaf::{Fragment, Sample, SyncSamples, write_segment_type};

use super::NewFile;
use crate::error::MediaError;

/// The first file of a track.
pub(super) const INIT: &str = "init.mp4";

/// The segments of a track, as they are made.
#[derive(Debug)]
pub(super) struct TrackSegments {
    /// The folder that they lie in.
    pub(super) folder: String,
    /// Ticks a second.
    pub(super) timescale: u32,
    /// Those that are complete.
    pub(super) segments: Vec<Segment>,
    content_type: &'static str,
    sync: SyncSamples,
    sample_ticks: u32,
    /// The segment in work.
    bytes: Vec<u8>,
    groups: Vec<Group>,
    /// The fragment in work.
    samples: Vec<Sample>,
    data: Vec<u8>,
    fragments: u32,
    /// Samples of all fragments that are complete.
    written: u64,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// How long it plays.
    pub(super) ticks: u64,
    /// Its length.
    pub(super) bytes: u64,
    /// Its fragments.
    pub(super) groups: Vec<Group>,
}

/// A fragment, which is a group of frames behind a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// How long it plays.
    pub(super) ticks: u64,
    /// Where it begins in its segment.
    pub(super) start: usize,
    /// From there to the end of the keyframe.
    pub(super) key_bytes: usize,
}

impl TrackSegments {
    /// Of a track whose samples take `sample_ticks` each.
    pub(super) const fn new(
        folder: String,
        content_type: &'static str,
        (timescale, sample_ticks): (u32, u32),
        sync: SyncSamples,
    ) -> Self {
        Self {
            folder,
            timescale,
            segments: Vec::new(),
            content_type,
            sync,
            sample_ticks,
            bytes: Vec::new(),
            groups: Vec::new(),
            samples: Vec::new(),
            data: Vec::new(),
            fragments: 0,
            written: 0,
        }
    }

    /// Its init segment.
    pub(super) fn init(&self, bytes: Vec<u8>) -> NewFile {
        let path = format!("{}/{INIT}", self.folder);
        NewFile { path, bytes, content_type: self.content_type }
    }

    /// The name of a segment in the track's folder.
    pub(super) fn name(index: usize) -> String {
        format!("{index:05}.m4s")
    }

    /// Adds the next sample to the fragment in work; `write` appends its bytes.
    pub(super) fn add<T>(
        &mut self,
        shown_after: i32,
        write: impl FnOnce(&mut Vec<u8>) -> Result<T, BoxError>,
    ) -> Result<T, MediaError> {
        let before = self.data.len();
        let told = write(&mut self.data).map_err(failed)?;
        let bytes = (self.data.len() - before) as u32;
        self.samples.push(Sample { bytes, shown_after });
        Ok(told)
    }

    /// Ends the fragment in work, if there is one.
    pub(super) fn end_fragment(&mut self) -> Result<(), MediaError> {
        if self.samples.is_empty() {
            return Ok(());
        }
        if self.bytes.is_empty() {
            write_segment_type(&mut self.bytes);
        }
        self.fragments += 1;
        let fragment = Fragment {
            number: self.fragments,
            decoded_at: self.written * u64::from(self.sample_ticks),
            sample_ticks: self.sample_ticks,
            samples: &self.samples,
            sync: self.sync,
            data: &self.data,
        };
        let key = fragment.write(&mut self.bytes).map_err(failed)?.first_sample;
        let ticks = self.samples.len() as u64 * u64::from(self.sample_ticks);
        self.groups.push(Group { ticks, start: key.start, key_bytes: key.len() });
        self.written += self.samples.len() as u64;
        self.samples.clear();
        self.data.clear();
        Ok(())
    }

    /// Ends the segment in work, if there is one.
    pub(super) fn end_segment(&mut self) -> Result<Option<NewFile>, MediaError> {
        self.end_fragment()?;
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let groups = std::mem::take(&mut self.groups);
        let bytes = std::mem::take(&mut self.bytes);
        let ticks = groups.iter().map(|group| group.ticks).sum();
        let path = format!("{}/{}", self.folder, Self::name(self.segments.len()));
        self.segments.push(Segment { ticks, bytes: bytes.len() as u64, groups });
        Ok(Some(NewFile { path, bytes, content_type: self.content_type }))
    }

    /// How long all segments play.
    pub(super) fn ticks(&self) -> u64 {
        self.segments.iter().map(|segment| segment.ticks).sum()
    }

    /// Bits a second of the whole, rounded up.
    pub(super) fn average_bps(&self) -> u64 {
        let bytes = self.segments.iter().map(|segment| segment.bytes).sum();
        bps(bytes, self.ticks(), self.timescale)
    }

    /// The most bits a second of segments that follow each other and together play for between a half and one and a
    /// half of `target_s` (RFC 8216, 4.1); of the whole, if it is shorter.
    pub(super) fn peak_bps(&self, target_s: u64) -> u64 {
        let parts: Vec<_> =
            self.segments.iter().map(|segment| (segment.ticks, segment.bytes)).collect();
        peak_bps(&parts, self.timescale, target_s).unwrap_or_else(|| self.average_bps())
    }
}

/// As [`TrackSegments::peak_bps`], of parts by ticks and bytes; `None` if no parts play for so long.
fn peak_bps(parts: &[(u64, u64)], timescale: u32, target_s: u64) -> Option<u64> {
    let target = target_s * u64::from(timescale);
    let runs = (0..parts.len()).flat_map(|first| {
        parts[first..].iter().scan((0, 0), |sum, (ticks, bytes)| {
            *sum = (sum.0 + ticks, sum.1 + bytes);
            Some(*sum).filter(|sum| 2 * sum.0 <= 3 * target)
        })
    });
    runs.filter(|(ticks, _)| 2 * ticks >= target)
        .map(|(ticks, bytes)| bps(bytes, ticks, timescale))
        .max()
}

/// Bits a second, rounded up.
pub(super) fn bps(bytes: u64, ticks: u64, timescale: u32) -> u64 {
    let bits = u128::from(bytes) * 8 * u128::from(timescale);
    u64::try_from(bits.div_ceil(u128::from(ticks.max(1)))).unwrap_or(u64::MAX)
}

/// What is wrong with boxes that are made here is our doing.
pub(super) fn failed(error: BoxError) -> MediaError {
    MediaError::Encode { format: "CMAF", source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of 4 s, 4 s and 1 s, of which each kilobyte is 8000 bits.
    #[test]
    fn rates_are_measured_as_rfc_8216_says() {
        let peak = |parts: &[(u64, u64)]| peak_bps(parts, 10, 4);
        assert_eq!(peak(&[(40, 1000), (40, 3000), (10, 100)]), Some(6000));
        // The last second alone is too short to count; with the segment before it is 5 s.
        assert_eq!(peak(&[(40, 1000), (40, 3000), (10, 2000)]), Some(8000));
        // 1.5 × 4 s are the most.
        assert_eq!(peak(&[(20, 1000), (40, 1000), (10, 9000)]), Some(16_000));
        assert_eq!(peak(&[(10, 1000)]), None);
    }
}
