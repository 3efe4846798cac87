//! Where one eye's files go, and what they are called.

use panofleet_job_schema::operation::{Eye, TilesPlan};
use serde::Serialize;

use super::manifests::Viewers;
use super::previews::Previews;
use crate::error::StepError;
use crate::output::Output;
use crate::steps::pictures::EyeFiles;

/// Where one eye's files go.
pub(super) struct Folder<'a> {
    pub(super) output: &'a Output<'a>,
    plan: &'a TilesPlan,
    pub(super) files: EyeFiles,
}

impl<'a> Folder<'a> {
    pub(super) fn of(
        output: &'a Output<'a>,
        plan: &'a TilesPlan,
        eye: Eye,
    ) -> Result<Self, StepError> {
        let folder = Self { output, plan, files: EyeFiles::of(eye, plan.eyes.len() > 1) };
        folder.create("")?;
        Ok(folder)
    }

    pub(super) fn create(&self, folder: &str) -> Result<(), StepError> {
        self.output.create_folder(&format!("{}{folder}", self.files.prefix))
    }

    /// Writes a manifest, and says where it is.
    pub(super) fn write_json(
        &self,
        path: &str,
        value: &impl Serialize,
    ) -> Result<String, StepError> {
        let path = format!("{}{path}", self.files.prefix);
        self.output.write_json(&path, value)?;
        Ok(path)
    }

    pub(super) fn write_text(
        &self,
        path: &str,
        text: &str,
        kind: &str,
    ) -> Result<String, StepError> {
        let path = format!("{}{path}", self.files.prefix);
        self.output.write(&path, text.as_bytes(), kind)?;
        Ok(path)
    }

    pub(super) fn write_picture(&self, path: &str, body: &[u8]) -> Result<(), StepError> {
        let path = format!("{}{path}.{}", self.files.prefix, self.plan.format.extension());
        self.output.write(&path, body, self.plan.format.content_type())
    }

    /// The manifests of cube tiles, and the pictures beside them, by purpose.
    pub(super) fn write_manifests(
        &self,
        viewers: &Viewers<'_>,
        previews: Option<Previews>,
    ) -> Result<Vec<(&'static str, String)>, StepError> {
        let krpano = viewers.krpano();
        let extension = self.plan.format.extension();
        let mut entries = vec![
            ("pannellum", self.write_json("config.json", &viewers.pannellum(previews)?)?),
            ("psv", self.write_json("psv.json", &viewers.photo_sphere_viewer())?),
            ("marzipano", self.write_json("marzipano.json", &viewers.marzipano())?),
            ("krpano", self.write_text("krpano.xml", &krpano, "application/xml")?),
            ("preview", format!("{}preview.{extension}", self.files.prefix)),
        ];
        if self.plan.phone_px > 0 && self.plan.cubemap.is_none() {
            entries.push(("phone", format!("{}phone.jpg", self.files.prefix)));
        }
        Ok(entries)
    }
}
