//! Playlists held against the rules of RFC 8216; the numbers are its sections.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A media playlist that keeps the rules.
#[derive(Debug)]
pub(crate) struct Playlist {
    pub(crate) init: PathBuf,
    pub(crate) target_s: u64,
    pub(crate) segments: Vec<Segment>,
}

/// One of its segments.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) duration_s: f64,
    /// Where it lies in its file, and how long it is.
    pub(crate) range: Option<(usize, usize)>,
}

/// A variant of a master playlist.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) path: PathBuf,
}

/// A master playlist.
#[derive(Debug)]
pub(crate) struct Master {
    pub(crate) variants: Vec<Variant>,
    pub(crate) keyframes: Vec<Variant>,
    pub(crate) sounds: Vec<Variant>,
}

impl Segment {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let file = std::fs::read(&self.path).unwrap();
        self.range.map_or(file.clone(), |(start, bytes)| file[start..start + bytes].to_vec())
    }
}

/// The lines of a playlist: UTF-8 without a mark, `#EXTM3U` first, no carriage returns (4.1).
fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n') && !text.contains('\r') && text.is_ascii(), "{text}");
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    assert_eq!(lines[0], "#EXTM3U");
    // 4.3.1.2: once, and high enough for EXT-X-MAP of segments (7: 6), and for REQ- (draft-pantos-hls-rfc8216bis, 8: 12).
    let versions: Vec<_> = lines.iter().filter(|line| line.starts_with("#EXT-X-VERSION")).collect();
    let requires = lines.iter().any(|line| line.contains(",REQ-"));
    assert_eq!(versions, [if requires { "#EXT-X-VERSION:12" } else { "#EXT-X-VERSION:6" }]);
    lines
}

/// Names are capitals, digits and hyphens, each once; quoted text has no quotes or line ends in it (4.2).
fn attributes(list: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').unwrap();
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(allowed), "{name} in {list}");
        let end = if let Some(quoted) = after.strip_prefix('"') {
            quoted.find('"').unwrap() + 2
        } else {
            after.find(',').unwrap_or(after.len())
        };
        let (value, after) = after.split_at(end);
        assert!(found.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice: {list}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    found
}

/// Reads a media playlist, and checks it.
pub(crate) fn media(path: &Path) -> Playlist {
    let folder = path.parent().unwrap();
    let mut playlist = Playlist { init: PathBuf::new(), target_s: 0, segments: Vec::new() };
    let (mut duration_s, mut range, mut ended) = (None, None, false);
    for line in &lines(path)[1..] {
        // 4.3.3.4: nothing is added behind the end.
        assert!(!ended, "{line} behind the end");
        if let Some(seconds) = line.strip_prefix("#EXT-X-TARGETDURATION:") {
            playlist.target_s = seconds.parse().unwrap();
        } else if let Some(list) = line.strip_prefix("#EXT-X-MAP:") {
            // 4.3.2.5: before the segments that it is for.
            assert!(playlist.segments.is_empty());
            playlist.init = folder.join(attributes(list)["URI"].trim_matches('"'));
        } else if let Some(text) = line.strip_prefix("#EXTINF:") {
            let seconds: f64 = text.strip_suffix(',').unwrap().parse().unwrap();
            // 4.3.3.1: rounded to whole seconds, none is longer than the target.
            assert!(seconds > 0.0 && seconds.round() as u64 <= playlist.target_s, "{line}");
            duration_s = Some(seconds);
        } else if let Some(text) = line.strip_prefix("#EXT-X-BYTERANGE:") {
            let (bytes, start) = text.split_once('@').unwrap();
            range = Some((start.parse().unwrap(), bytes.parse().unwrap()));
        } else if !line.starts_with('#') {
            let path = folder.join(line);
            let duration_s = duration_s.take().expect("4.3.2.1: each segment has its EXTINF");
            let length = std::fs::metadata(&path).unwrap().len() as usize;
            assert!(range.is_none_or(|(start, bytes)| start + bytes <= length));
            playlist.segments.push(Segment { path, duration_s, range: range.take() });
        } else {
            ended = line == "#EXT-X-ENDLIST";
            let known = [
                "#EXT-X-ENDLIST",
                "#EXT-X-VERSION:6",
                "#EXT-X-PLAYLIST-TYPE:VOD",
                "#EXT-X-INDEPENDENT-SEGMENTS",
                "#EXT-X-I-FRAMES-ONLY",
            ];
            assert!(known.contains(&line.as_str()), "{line}");
        }
    }
    assert!(ended && playlist.init.is_file() && playlist.target_s > 0);
    playlist
}

/// Reads a master playlist, and checks it and all that it names.
pub(crate) fn master(path: &Path) -> Master {
    let folder = path.parent().unwrap();
    let mut master = Master { variants: Vec::new(), keyframes: Vec::new(), sounds: Vec::new() };
    let mut stream = None;
    for line in &lines(path)[2..] {
        let by_uri = |list: &str| {
            let attributes = attributes(list);
            let path = folder.join(attributes["URI"].trim_matches('"'));
            Variant { attributes, path }
        };
        if let Some(list) = line.strip_prefix("#EXT-X-STREAM-INF:") {
            stream = Some(attributes(list));
        } else if let Some(list) = line.strip_prefix("#EXT-X-I-FRAME-STREAM-INF:") {
            master.keyframes.push(by_uri(list));
        } else if let Some(list) = line.strip_prefix("#EXT-X-MEDIA:") {
            master.sounds.push(by_uri(list));
        } else if line.starts_with('#') {
            assert_eq!(line, "#EXT-X-INDEPENDENT-SEGMENTS");
        } else {
            // 4.3.4.2: the line behind the tag.
            let attributes = stream.take().expect("a STREAM-INF before each address");
            master.variants.push(Variant { attributes, path: folder.join(line) });
        }
    }
    assert!(!master.variants.is_empty() && stream.is_none());
    check(&master);
    master
}

fn check(master: &Master) {
    let number = |variant: &Variant, name: &str| variant.attributes[name].parse::<u64>().unwrap();
    let sounds: Vec<_> = master.sounds.iter().map(|sound| media(&sound.path)).collect();
    for variant in &master.variants {
        let pictures = media(&variant.path);
        // 4.3.4.1.1 and 4.3.4.2: the group that is named is there; renditions have the same target (6.2.4).
        match (variant.attributes.get("AUDIO"), master.sounds.first()) {
            (Some(group), Some(sound)) => {
                assert_eq!(Some(group), sound.attributes.get("GROUP-ID"));
                assert_eq!(sound.attributes["TYPE"], "AUDIO");
            }
            (None, None) => {}
            mixed => panic!("{mixed:?}"),
        }
        assert!(sounds.iter().all(|sound| sound.target_s == pictures.target_s));
        // 4.1: the peak is that of each run of segments between a half and one and a half of the target, and the
        // average that of all of them; sound and picture count together.
        let tracks: Vec<_> = sounds.iter().chain([&pictures]).collect();
        let peak: f64 = tracks.iter().map(|track| peak_bps(track)).sum();
        let average: f64 = tracks.iter().map(|track| bps(&track.segments)).sum();
        let declared = number(variant, "BANDWIDTH") as f64;
        let least = peak.max(average);
        // Durations are rounded to millionths of a second, which is much for a single frame.
        let slack = 2.0 + least * 1e-4;
        assert!((least - slack..=least + slack).contains(&declared), "{declared} {least}");
        let declared = number(variant, "AVERAGE-BANDWIDTH") as f64;
        assert!((declared - average).abs() <= average * 0.001 + 2.0, "{declared} {average}");
    }
    for variant in &master.keyframes {
        let keyframes = media(&variant.path);
        let heaviest = keyframes.segments.iter().map(|one| bps(std::slice::from_ref(one)));
        let heaviest = heaviest.fold(0.0, f64::max);
        let declared = number(variant, "BANDWIDTH") as f64;
        assert!((heaviest - declared).abs() <= heaviest * 0.001 + 1.0, "{declared} {heaviest}");
        assert!(!variant.attributes.contains_key("AUDIO"));
    }
}

fn bps(segments: &[Segment]) -> f64 {
    let bytes: usize = segments.iter().map(|segment| segment.bytes().len()).sum();
    let seconds: f64 = segments.iter().map(|segment| segment.duration_s).sum();
    bytes as f64 * 8.0 / seconds
}

fn peak_bps(playlist: &Playlist) -> f64 {
    let mut peak: f64 = 0.0;
    for first in 0..playlist.segments.len() {
        for end in first + 1..=playlist.segments.len() {
            let run = &playlist.segments[first..end];
            let seconds: f64 = run.iter().map(|segment| segment.duration_s).sum();
            let share = seconds / playlist.target_s as f64;
            if (0.4999..=1.5001).contains(&share) {
                peak = peak.max(bps(run));
            }
        }
    }
    peak
}
