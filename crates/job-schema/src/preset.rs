//! Presets: named sets of outputs. A client says what they are for, and whoever runs the service what that takes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{OutputName, PresetName};
use crate::operation::Operation;
use crate::spec::{BadSpec, JobSpec};

/// A named set of outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What it is for.
    #[serde(default)]
    pub summary: String,
    /// What it makes.
    pub outputs: BTreeMap<OutputName, Operation>,
}

/// Presets by name.
pub type Presets = BTreeMap<PresetName, Preset>;

/// Those that every service has: name, what it is for, outputs.
const BUILT_IN: [(&str, &str, &str); 4] = [
    (
        "pano-share",
        "a panorama that viewers open at once, on phones too: tiles, a picture for links, a small one, a little planet",
        r#"{
            "tiles": { "op": "pano.tiles" },
            "link": { "op": "pano.social" },
            "small": { "op": "image.thumbnail", "width_px": 512 },
            "planet": { "op": "pano.little_planet", "width_px": 1024, "height_px": 1024 }
        }"#,
    ),
    (
        "vr-video-share",
        "a 360° video: a stream in several sizes, an MP4 that phones and old headsets play, a poster, frames to seek by",
        r#"{
            "stream": { "op": "video.ladder" },
            "mp4": { "op": "video.transcode", "width_px": 4096 },
            "poster": { "op": "video.poster" },
            "seek": { "op": "video.sprites" }
        }"#,
    ),
    (
        "video-share",
        "an ordinary video: a stream in several sizes, an MP4, a poster, frames to seek by",
        r#"{
            "stream": { "op": "video.ladder" },
            "mp4": { "op": "video.transcode", "width_px": 1920 },
            "poster": { "op": "video.poster" },
            "seek": { "op": "video.sprites" }
        }"#,
    ),
    (
        "news-embed",
        "a panorama in an article: tiles that load fast, a flat view in 16:9 for whoever cannot turn it, a picture for links",
        r#"{
            "tiles": { "op": "pano.tiles", "format": "webp", "quality": 75 },
            "flat": { "op": "pano.view", "width_px": 1600, "height_px": 900 },
            "link": { "op": "pano.social" }
        }"#,
    ),
];

static KNOWN: LazyLock<Presets> = LazyLock::new(|| {
    let preset = |(name, summary, outputs): &(&str, &str, &str)| {
        let outputs = serde_json::from_str(outputs).expect("a test reads each of them");
        let name = PresetName::new(*name).expect("a test reads each of them");
        (name, Preset { summary: (*summary).to_owned(), outputs })
    };
    BUILT_IN.iter().map(preset).collect()
});

impl Preset {
    /// Those that a service has: its own, and the built-in ones that it has none of the same name in place of.
    pub fn all(own: &Presets) -> Presets {
        let mut all = KNOWN.clone();
        all.extend(own.iter().map(|(name, preset)| (name.clone(), preset.clone())));
        all
    }

    /// Checks what a job's outputs are checked for.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), BadSpec> {
        JobSpec::check_outputs(&self.outputs)
    }
}

impl JobSpec {
    /// With the outputs of its preset, if it names one. Outputs that it names itself stand in place of the preset's.
    ///
    /// # Errors
    /// [`BadSpec::NoSuchPreset`].
    pub fn expand(mut self, own: &Presets) -> Result<Self, BadSpec> {
        let Some(name) = self.preset.take() else { return Ok(self) };
        let Some(preset) = own.get(&name).or_else(|| KNOWN.get(&name)) else {
            let known = Preset::all(own).keys().map(ToString::to_string).collect::<Vec<_>>();
            return Err(BadSpec::NoSuchPreset { name, known: known.join(", ") });
        };
        for (output, operation) in &preset.outputs {
            self.outputs.entry(output.clone()).or_insert_with(|| operation.clone());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> JobSpec {
        serde_json::from_str(json).unwrap()
    }

    fn names(spec: &JobSpec) -> Vec<&str> {
        spec.outputs.keys().map(OutputName::as_str).collect()
    }

    #[test]
    fn the_built_in_ones_are_jobs() {
        let presets = Preset::all(&Presets::new());
        assert_eq!(presets.len(), BUILT_IN.len());
        for (name, preset) in &presets {
            preset.check().unwrap();
            assert!(!preset.summary.is_empty());
            let asked = spec(&format!(r#"{{"source": "s3://in/a.jpg", "preset": "{name}"}}"#));
            asked.check().unwrap();
            let made = asked.expand(&Presets::new()).unwrap();
            made.check().unwrap();
            assert_eq!((&made.preset, &made.outputs), (&None, &preset.outputs));
        }
    }

    #[test]
    fn what_a_job_says_itself_goes_before() {
        let asked = spec(
            r#"{"source": "s3://in/a.jpg", "preset": "pano-share", "outputs": {
                "small": {"op": "image.thumbnail", "width_px": 64}, "probe": {"op": "media.probe"}}}"#,
        );
        let made = asked.expand(&Presets::new()).unwrap();
        assert_eq!(names(&made), ["link", "planet", "probe", "small", "tiles"]);
        let small = serde_json::to_value(&made.outputs[&"small".parse().unwrap()]).unwrap();
        assert_eq!(small["width_px"], 64);
    }

    #[test]
    fn a_service_has_its_own() {
        let own: Presets = serde_json::from_str(
            r#"{"pano-share": {"outputs": {"probe": {"op": "media.probe"}}},
                "hero": {"summary": "front page", "outputs": {"view": {"op": "pano.view"}}}}"#,
        )
        .unwrap();
        let of = |preset: &str| {
            spec(&format!(r#"{{"source": "s3://in/a.jpg", "preset": "{preset}"}}"#)).expand(&own)
        };
        assert_eq!(names(&of("pano-share").unwrap()), ["probe"]);
        assert_eq!(names(&of("hero").unwrap()), ["view"]);
        assert_eq!(names(&of("video-share").unwrap()), ["mp4", "poster", "seek", "stream"]);
        let refused = of("heroes").unwrap_err().to_string();
        let known = "hero, news-embed, pano-share, video-share, vr-video-share";
        assert!(refused.contains("heroes") && refused.contains(known), "{refused}");
        assert_eq!(Preset::all(&own).len(), 5);
    }

    #[test]
    fn presets_that_no_job_could_have_are_refused() {
        for outputs in
            ["{}", r#"{"n": {"op": "fleet.noop"}}"#, r#"{"t": {"op": "pano.tiles", "quality": 0}}"#]
        {
            let preset: Preset =
                serde_json::from_str(&format!(r#"{{"outputs": {outputs}}}"#)).unwrap();
            preset.check().unwrap_err();
        }
    }
}
