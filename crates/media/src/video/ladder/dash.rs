//! The manifest of DASH.
//!
//! Sources: ISO/IEC 23009-1, 5.3 and 8.4; for channels ISO/IEC 23091-3.

use std::fmt::Write as _;

use super::rung::FinishedRung;
use super::segments::{INIT, TrackSegments};
use super::{NewFile, SoundTrack, Tracks};

/// Seconds that a player has read before it begins, and that bandwidths are true for.
const BUFFER_S: u64 = 4;

/// The manifest of all tracks.
pub(super) fn file(tracks: &Tracks<'_>) -> NewFile {
    let bytes = manifest(tracks).into_bytes();
    NewFile { path: "manifest.mpd".into(), bytes, content_type: "application/dash+xml" }
}

fn manifest(tracks: &Tracks<'_>) -> String {
    let all = tracks.rungs.iter().map(|track| &track.segments);
    let all = all.chain(tracks.sound.iter().map(|sound| sound.segments));
    let millis = all.map(|track| (track.ticks() * 1000).div_ceil(u64::from(track.timescale)));
    let millis = millis.max().unwrap_or(0);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" minBufferTime=\"PT{BUFFER_S}S\"\n    \
             mediaPresentationDuration=\"PT{}.{:03}S\"\n    \
             profiles=\"urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019\">\n  \
           <Period id=\"0\" start=\"PT0S\">\n",
        millis / 1000,
        millis % 1000
    );
    text.push_str(&pictures(tracks));
    if let Some(sound) = &tracks.sound {
        let sets = tracks.rungs.chunk_by(|a, b| a.codec == b.codec).count();
        text.push_str(&self::sound(sound, sets));
    }
    text + "  </Period>\n</MPD>\n"
}

/// A set for each codec: a player takes one of them, and goes from size to size in it.
fn pictures(tracks: &Tracks<'_>) -> String {
    let sets = tracks.rungs.chunk_by(|a, b| a.codec == b.codec);
    sets.enumerate().map(|(number, rungs)| set(tracks, number, rungs)).collect()
}

fn set(tracks: &Tracks<'_>, number: usize, rungs: &[FinishedRung]) -> String {
    let Some(largest) = rungs.last() else { return String::new() };
    let (frames, seconds) = tracks.grid.rate;
    let rate = if seconds == 1 { frames.to_string() } else { format!("{frames}/{seconds}") };
    let mut text = format!(
        "    <AdaptationSet id=\"{number}\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\"\n        \
             startWithSAP=\"1\" maxWidth=\"{}\" maxHeight=\"{}\" frameRate=\"{rate}\" sar=\"1:1\">\n{}",
        largest.width_px,
        largest.height_px,
        // All sizes have the same times.
        template(&largest.segments)
    );
    for FinishedRung { width_px, height_px, codecs, segments, .. } in rungs {
        let (id, bps) = (&segments.folder, bandwidth(segments));
        writeln!(
            text,
            "      <Representation id=\"{id}\" codecs=\"{codecs}\" width=\"{width_px}\" height=\"{height_px}\" \
             bandwidth=\"{bps}\"/>"
        )
        .expect("text takes every line");
    }
    text + "    </AdaptationSet>\n"
}

fn sound(sound: &SoundTrack<'_>, number: usize) -> String {
    let SoundTrack { channels, rate_hz, codecs, segments } = sound;
    let (id, bps) = (&segments.folder, bandwidth(segments));
    let channels = match channels {
        1..=6 => format!(
            "        <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:mpegB:cicp:ChannelConfiguration\" \
             value=\"{channels}\"/>\n"
        ),
        _ => String::new(),
    };
    format!(
        "    <AdaptationSet id=\"{number}\" contentType=\"audio\" mimeType=\"audio/mp4\" segmentAlignment=\"true\"\n        \
             startWithSAP=\"1\">\n{}      \
           <Representation id=\"{id}\" codecs=\"{codecs}\" audioSamplingRate=\"{rate_hz}\" bandwidth=\"{bps}\">\n\
         {channels}      </Representation>\n    </AdaptationSet>\n",
        template(segments)
    )
}

fn bandwidth(track: &TrackSegments) -> u64 {
    track.peak_bps(BUFFER_S).max(track.average_bps())
}

/// Where segments lie, and when each begins: runs of equal ones in one line.
fn template(track: &TrackSegments) -> String {
    let timescale = track.timescale;
    let mut text = format!(
        "      <SegmentTemplate timescale=\"{timescale}\" startNumber=\"0\" initialization=\"$RepresentationID$/{INIT}\"\n          \
             media=\"$RepresentationID$/$Number%05d$.m4s\">\n        <SegmentTimeline>\n"
    );
    let mut at = 0;
    for run in track.segments.chunk_by(|a, b| a.ticks == b.ticks) {
        let ticks = run.first().map_or(0, |first| first.ticks);
        let start = if at == 0 { " t=\"0\"" } else { "" };
        let more = if run.len() > 1 { format!(" r=\"{}\"", run.len() - 1) } else { String::new() };
        writeln!(text, "          <S{start} d=\"{ticks}\"{more}/>").expect("text takes every line");
        at += ticks * run.len() as u64;
    }
    text + "        </SegmentTimeline>\n      </SegmentTemplate>\n"
}
