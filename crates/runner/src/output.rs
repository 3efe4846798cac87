//! The files of one output.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use panofleet_job_schema::OutputName;
use panofleet_job_schema::runner_protocol::Frame;
use serde::Serialize;

use crate::error::StepError;
use crate::report::Report;

/// The media type of manifests.
const JSON: &str = "application/json";

/// A folder in scratch that one output writes to.
#[derive(Debug)]
pub(crate) struct Output<'r> {
    name: &'r OutputName,
    folder: PathBuf,
    report: &'r Report,
}

impl<'r> Output<'r> {
    /// The folder of output `name`.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn create(
        scratch: &Path,
        name: &'r OutputName,
        report: &'r Report,
    ) -> Result<Self, StepError> {
        let output = Self { name, folder: scratch.join(name.as_str()), report };
        output.create_folder("")?;
        Ok(output)
    }

    /// A folder inside of the output's.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn create_folder(&self, path: &str) -> Result<(), StepError> {
        fs::create_dir_all(self.folder.join(path))
            .map_err(|error| StepError::Write { path: path.to_owned(), error })
    }

    /// Writes a file and reports it: from then on the worker may upload it.
    ///
    /// # Errors
    /// What the file system or the pipe says.
    pub(crate) fn write(
        &self,
        path: &str,
        body: &[u8],
        content_type: &str,
    ) -> Result<(), StepError> {
        let written =
            File::create_new(self.folder.join(path)).and_then(|mut file| file.write_all(body));
        written.map_err(|error| StepError::Write { path: path.to_owned(), error })?;
        self.report_written(path, body.len() as u64, content_type)
    }

    /// An empty file that is filled bit by bit, open for reading too.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn create_file(&self, path: &str) -> Result<File, StepError> {
        let created =
            File::options().read(true).write(true).create_new(true).open(self.folder.join(path));
        created.map_err(|error| StepError::Write { path: path.to_owned(), error })
    }

    /// Reports a file that was [created](Self::create_file) and is complete: from then on the worker may upload it.
    ///
    /// # Errors
    /// What the file system or the pipe says.
    pub(crate) fn report_file(&self, path: &str, content_type: &str) -> Result<(), StepError> {
        let metadata = fs::metadata(self.folder.join(path));
        let metadata =
            metadata.map_err(|error| StepError::Write { path: path.to_owned(), error })?;
        self.report_written(path, metadata.len(), content_type)
    }

    fn report_written(&self, path: &str, bytes: u64, content_type: &str) -> Result<(), StepError> {
        let frame = Frame::File {
            output: self.name.clone(),
            path: path.to_owned(),
            bytes,
            content_type: content_type.to_owned(),
        };
        self.report.send(&frame).map_err(StepError::Report)
    }

    /// Writes a value as JSON for people and programs.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn write_json(&self, path: &str, value: &impl Serialize) -> Result<(), StepError> {
        let text = serde_json::to_string_pretty(value)
            .expect("manifests are maps with text keys and finite numbers");
        self.write(path, text.as_bytes(), JSON)
    }

    /// Counts pixels as done.
    ///
    /// # Errors
    /// What the pipe says.
    pub(crate) fn advance(&self, pixels: u64, step: &str) -> Result<(), StepError> {
        self.report.advance(pixels, step).map_err(StepError::Report)
    }
}
