//! The pyramids of a result, and the frame that one of them opens in.

use panofleet_job_schema::OutputName;
use panofleet_job_schema::manifest::{Manifest, OutputRecord};

use super::{Eye, ViewParams, Viewer};
use crate::api::error::ApiError;
use crate::api::view::output_base;
use crate::pages::assets;
use crate::pages::html::Text;
use crate::pages::language::say;

impl Viewer {
    const ALL: [Self; 2] = [Self::Psv, Self::Pannellum];

    /// How its manifests are called among an output's entry points.
    const fn entry_point(self, eye: Eye) -> &'static str {
        match (self, eye) {
            (Self::Psv, Eye::Left) => "psv",
            (Self::Psv, Eye::Right) => "psv_right",
            (Self::Pannellum, Eye::Left) => "pannellum",
            (Self::Pannellum, Eye::Right) => "pannellum_right",
        }
    }

    const fn word(self) -> &'static str {
        self.entry_point(Eye::Left)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Psv => "Photo Sphere Viewer",
            Self::Pannellum => "Pannellum",
        }
    }

    pub(super) const fn script(self) -> &'static str {
        match self {
            Self::Psv => "/viewer/psv.js",
            Self::Pannellum => "/viewer/pannellum.js",
        }
    }

    pub(super) const fn style(self) -> &'static str {
        match self {
            Self::Psv => "/viewer/psv.css",
            Self::Pannellum => "/viewer/pannellum.css",
        }
    }
}

impl Eye {
    const ALL: [Self; 2] = [Self::Left, Self::Right];

    const fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// An output that a viewer can open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pyramid<'a> {
    manifest: &'a Manifest,
    name: &'a OutputName,
    record: &'a OutputRecord,
}

impl<'a> Pyramid<'a> {
    /// Every output of a result that a viewer can open.
    pub(super) fn all(manifest: &'a Manifest) -> Vec<Self> {
        let outputs = manifest.outputs.iter().map(|(name, record)| Self { manifest, name, record });
        outputs.filter(|pyramid| pyramid.opens_in(Viewer::Psv, Eye::Left)).collect()
    }

    fn opens_in(&self, viewer: Viewer, eye: Eye) -> bool {
        self.record.entry_points.contains_key(viewer.entry_point(eye))
    }

    /// The address of the viewer's manifest. Paths of files need no escaping: the runner makes them of
    /// letters, digits and `._-/`.
    fn config(&self, viewer: Viewer, eye: Eye) -> Option<String> {
        let path = self.record.entry_points.get(viewer.entry_point(eye))?;
        let base = output_base(self.manifest.job, self.manifest.generation, self.name);
        Some(format!("{base}{path}"))
    }

    /// The element that the viewer's script looks for.
    pub(super) fn frame(&self, params: &ViewParams) -> String {
        let config = self.config(params.viewer, params.eye).unwrap_or_default();
        let mut data = format!(" data-config=\"{}\"", Text(config));
        for (name, value) in [("yaw", params.yaw), ("pitch", params.pitch), ("hfov", params.hfov)] {
            if let Some(value) = value {
                data += &format!(" data-{name}=\"{value}\"");
            }
        }
        if params.embed == Some(1) {
            data += " data-embed";
        }
        format!(
            "<div id=\"viewer\"{data}></div>\n<p id=\"viewer-error\" class=\"failure\" hidden></p>\n"
        )
    }
}

/// The pyramid that is asked for, else the first; none if the result has none, or there is no result yet.
pub(super) fn choose<'a>(
    pyramids: &[Pyramid<'a>],
    params: &ViewParams,
) -> Result<Option<Pyramid<'a>>, ApiError> {
    let chosen = match &params.output {
        Some(name) => pyramids.iter().find(|pyramid| pyramid.name.as_str() == name),
        None => pyramids.first(),
    };
    let Some(chosen) = chosen.filter(|_| !pyramids.is_empty()) else {
        if pyramids.is_empty() {
            return Ok(None);
        }
        let names: Vec<&str> = pyramids.iter().map(|pyramid| pyramid.name.as_str()).collect();
        let detail = format!("a viewer opens only these outputs of the job: {}", names.join(", "));
        return Err(ApiError::absent("no_such_output", detail));
    };
    if chosen.opens_in(params.viewer, params.eye) {
        return Ok(Some(*chosen));
    }
    let (name, eye) = (chosen.name, params.eye.word());
    Err(ApiError::absent("no_such_eye", format!("output `{name}` has no {eye} eye of its own")))
}

/// The viewer with its choices, or what to do to get it.
pub(super) fn section(
    chosen: Option<Pyramid<'_>>,
    pyramids: &[Pyramid<'_>],
    params: &ViewParams,
) -> String {
    let Some(chosen) = chosen else { return String::new() };
    if !assets::has_viewer() {
        return format!("<p class=\"note\">{}</p>\n", Text(assets::NO_VIEWER));
    }
    format!("{}{}", chosen.frame(params), choices(chosen, pyramids, params))
}

fn choices(chosen: Pyramid<'_>, pyramids: &[Pyramid<'_>], params: &ViewParams) -> String {
    let mut groups = String::new();
    let address = |output: &OutputName, viewer: Viewer, eye: Eye| {
        format!("?output={output}&viewer={}&eye={}", viewer.word(), eye.word())
    };
    let link = |label: &str, href: &str, current: bool| {
        let mark = if current { " aria-current=\"true\"" } else { "" };
        format!("<a href=\"{}\"{mark}>{}</a>", Text(href), Text(label))
    };
    let mut group = |links: Vec<String>| {
        if links.len() > 1 {
            groups += &format!("<span class=\"choice\">{}</span>\n", links.concat());
        }
    };
    let outputs = pyramids.iter().map(|pyramid| {
        let current = pyramid.name == chosen.name;
        link(pyramid.name.as_str(), &address(pyramid.name, params.viewer, Eye::Left), current)
    });
    group(outputs.collect());
    let viewers = Viewer::ALL.into_iter().filter(|viewer| chosen.opens_in(*viewer, params.eye));
    let viewers = viewers.map(|viewer| {
        link(viewer.name(), &address(chosen.name, viewer, params.eye), viewer == params.viewer)
    });
    group(viewers.collect());
    let eyes = Eye::ALL.into_iter().filter(|eye| chosen.opens_in(params.viewer, *eye));
    let eyes = eyes.map(|eye| {
        let label = match eye {
            Eye::Left => say("left eye", "左眼"),
            Eye::Right => say("right eye", "右眼"),
        };
        link(label, &address(chosen.name, params.viewer, eye), eye == params.eye)
    });
    group(eyes.collect());
    format!("<nav class=\"choices\">\n{groups}</nav>\n")
}
