//! Lists in pages.

use super::error::ApiError;
use super::extract::bad_parameter;

/// How many rows a page has: as the request says, if that is 1 to `most`.
pub(super) fn page_size(asked: Option<u32>, otherwise: u32, most: u32) -> Result<u32, ApiError> {
    let limit = asked.unwrap_or(otherwise);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(bad_parameter(format!("limit is {limit}; it must be 1 to {most}")))
}

/// Cuts what was read with one row more than the page has. The last row of the page, if another page follows.
pub(super) fn cut<T>(rows: &mut Vec<T>, limit: u32) -> Option<&T> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    rows.last().filter(|_| more)
}
