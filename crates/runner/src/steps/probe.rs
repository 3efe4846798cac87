//! `media.probe`: what the probe found, as a file.

use panofleet_job_schema::media_info::MediaInfo;

use super::Summary;
use crate::error::StepError;
use crate::output::Output;

/// Writes `probe.json`.
///
/// # Errors
/// What the file system or the pipe says.
pub(crate) fn run(media: &MediaInfo, output: &Output<'_>) -> Result<Summary, StepError> {
    const PATH: &str = "probe.json";
    output.write_json(PATH, media)?;
    let mut summary = Summary::default();
    summary.entry("probe", PATH);
    Ok(summary)
}
