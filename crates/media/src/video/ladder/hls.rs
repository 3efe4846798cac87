//! Playlists of HLS.
//!
//! Sources: RFC 8216; for what came later (`AVERAGE-BANDWIDTH` beside `VIDEO-RANGE`, `REQ-VIDEO-LAYOUT`),
//! draft-pantos-hls-rfc8216bis.

use std::fmt::Write as _;

use super::rung::FinishedRung;
use super::segments::{INIT, TrackSegments, bps};
use super::{NewFile, SoundTrack, Tracks};

const CONTENT_TYPE: &str = "application/vnd.apple.mpegurl";

/// The playlist that names the others.
const MASTER: &str = "master.m3u8";

/// A track's own.
const PLAYLIST: &str = "playlist.m3u8";

/// A track's keyframes.
const KEYFRAMES: &str = "iframes.m3u8";

/// The version that fragments of MP4 need; their keyframes alone need none that is higher.
const VERSION: u32 = 6;

/// The version that a playlist with an attribute `REQ-…` needs. Who does not know the attribute leaves its sizes out.
const VERSION_REQUIRING: u32 = 12;

/// The name of the sound.
const GROUP: &str = "audio";

/// All playlists.
pub(super) fn files(tracks: &Tracks<'_>) -> Vec<NewFile> {
    let target_s = target_s(tracks);
    let mut files = Vec::new();
    let mut add = |path: String, text: String| {
        files.push(NewFile { path, bytes: text.into_bytes(), content_type: CONTENT_TYPE });
    };
    for track in tracks.rungs {
        let folder = &track.segments.folder;
        add(format!("{folder}/{PLAYLIST}"), playlist(&track.segments, target_s));
        add(format!("{folder}/{KEYFRAMES}"), keyframes(&track.segments));
    }
    if let Some(sound) = &tracks.sound {
        let folder = &sound.segments.folder;
        add(format!("{folder}/{PLAYLIST}"), playlist(sound.segments, target_s));
    }
    add(MASTER.into(), master(tracks, target_s));
    files
}

/// The longest segment of all in whole seconds: playlists that may be changed for each other have the same.
fn target_s(tracks: &Tracks<'_>) -> u64 {
    let all = tracks.rungs.iter().map(|track| &track.segments);
    let all = all.chain(tracks.sound.iter().map(|sound| sound.segments));
    let rounded = all.flat_map(|track| {
        let timescale = u64::from(track.timescale);
        track.segments.iter().map(move |one| (2 * one.ticks + timescale) / (2 * timescale))
    });
    rounded.max().unwrap_or(0).max(1)
}

fn master(tracks: &Tracks<'_>, target_s: u64) -> String {
    let version = if tracks.layout.is_some() { VERSION_REQUIRING } else { VERSION };
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-INDEPENDENT-SEGMENTS\n\n");
    if let Some(SoundTrack { channels, segments, .. }) = &tracks.sound {
        let folder = &segments.folder;
        writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{GROUP}\",NAME=\"Audio\",DEFAULT=YES,AUTOSELECT=YES,\
             CHANNELS=\"{channels}\",URI=\"{folder}/{PLAYLIST}\"\n"
        )
        .expect("text takes every line");
    }
    for track in tracks.rungs {
        text.push_str(&variant(tracks, track, target_s));
    }
    text.push('\n');
    for track in tracks.rungs {
        text.push_str(&keyframe_variant(tracks, track));
    }
    text
}

/// One size with the sound: what both need together.
fn variant(tracks: &Tracks<'_>, track: &FinishedRung, target_s: u64) -> String {
    let FinishedRung { width_px, height_px, codecs, segments, .. } = track;
    let (mut peak, mut average) = (segments.peak_bps(target_s), segments.average_bps());
    let (mut codecs, mut group) = (codecs.clone(), "");
    if let Some(sound) = &tracks.sound {
        peak += sound.segments.peak_bps(target_s);
        average += sound.segments.average_bps();
        codecs = format!("{codecs},{}", sound.codecs);
        group = ",AUDIO=\"audio\"";
    }
    // The whole can be heavier than each part that counts as its peak, if that leaves the shortest ones out.
    let peak = peak.max(average);
    let layout = layout(tracks);
    let (frames, seconds) = tracks.grid.rate;
    let rate = f64::from(frames) / f64::from(seconds);
    let folder = &segments.folder;
    format!(
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codecs}\",\
         RESOLUTION={width_px}x{height_px},FRAME-RATE={rate:.3},VIDEO-RANGE=SDR{layout}{group},CLOSED-CAPTIONS=NONE\n\
         {folder}/{PLAYLIST}\n"
    )
}

fn keyframe_variant(tracks: &Tracks<'_>, track: &FinishedRung) -> String {
    let FinishedRung { width_px, height_px, codecs, segments, .. } = track;
    let (folder, layout) = (&segments.folder, layout(tracks));
    let groups = segments.segments.iter().flat_map(|segment| &segment.groups);
    // A keyframe stands for its group.
    let peak = groups.map(|group| bps(group.key_bytes as u64, group.ticks, segments.timescale));
    let peak = peak.max().unwrap_or(1);
    format!(
        "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},CODECS=\"{codecs}\",RESOLUTION={width_px}x{height_px},\
         VIDEO-RANGE=SDR{layout},URI=\"{folder}/{KEYFRAMES}\"\n"
    )
}

fn layout(tracks: &Tracks<'_>) -> String {
    tracks.layout.map_or_else(String::new, |layout| format!(",REQ-VIDEO-LAYOUT=\"{layout}\""))
}

fn begin(target_s: u64, more: &str) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target_s}\n#EXT-X-PLAYLIST-TYPE:VOD\n{more}#EXT-X-MAP:URI=\"{INIT}\"\n"
    )
}

fn playlist(track: &TrackSegments, target_s: u64) -> String {
    let mut text = begin(target_s, "#EXT-X-INDEPENDENT-SEGMENTS\n");
    let mut clock = Clock { timescale: track.timescale, ticks: 0 };
    for (index, segment) in track.segments.iter().enumerate() {
        let (duration, name) = (clock.next(segment.ticks), TrackSegments::name(index));
        writeln!(text, "#EXTINF:{duration},\n{name}").expect("text takes every line");
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Each keyframe, with its fragment's head before it.
fn keyframes(track: &TrackSegments) -> String {
    let timescale = u64::from(track.timescale);
    let groups = track.segments.iter().flat_map(|segment| &segment.groups);
    let longest = groups.map(|group| (2 * group.ticks + timescale) / (2 * timescale)).max();
    let mut text = begin(longest.unwrap_or(0).max(1), "#EXT-X-I-FRAMES-ONLY\n");
    let mut clock = Clock { timescale: track.timescale, ticks: 0 };
    for (index, segment) in track.segments.iter().enumerate() {
        for group in &segment.groups {
            let (duration, name) = (clock.next(group.ticks), TrackSegments::name(index));
            let (bytes, start) = (group.key_bytes, group.start);
            writeln!(text, "#EXTINF:{duration},\n#EXT-X-BYTERANGE:{bytes}@{start}\n{name}")
                .expect("text takes every line");
        }
    }
    text + "#EXT-X-ENDLIST\n"
}

/// Durations in millionths of a second whose sums stay exact.
struct Clock {
    timescale: u32,
    ticks: u64,
}

impl Clock {
    fn next(&mut self, ticks: u64) -> String {
        let micros = |ticks: u64| {
            let of = u128::from(self.timescale);
            (2 * u128::from(ticks) * 1_000_000 + of) / (2 * of)
        };
        let duration = micros(self.ticks + ticks) - micros(self.ticks);
        self.ticks += ticks;
        format!("{}.{:06}", duration / 1_000_000, duration % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thousand segments of 1001 / 30000 s are 33.366667 s, whatever each was rounded to.
    #[test]
    fn rounded_durations_add_up() {
        let mut clock = Clock { timescale: 30_000, ticks: 0 };
        let all: Vec<_> = (0..1000).map(|_| clock.next(1001)).collect();
        assert_eq!(&all[..3], ["0.033367", "0.033366", "0.033367"]);
        let sum: u64 = all.iter().map(|text| text.replace('.', "").parse::<u64>().unwrap()).sum();
        assert_eq!(sum, 33_366_667);
    }
}
