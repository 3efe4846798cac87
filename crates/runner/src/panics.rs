//! Panics become failures with a place to look at.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};

use panofleet_job_schema::{ErrorClass, Failure};

use crate::report;

/// What the first panic said, and where. Later ones are its echoes on other threads.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`; a panic on any thread that it waits for is a failure of class `Bug`.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    panic::set_hook(Box::new(|info| {
        let said = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
        let text = format!("{said}{place}");
        report::last_words(&format!("panic: {text}"));
        FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let first = FIRST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let said = format!(
            "the runner hit a bug of its own: {}; please report it with the source",
            first.as_deref().unwrap_or("unknown")
        );
        Err(Failure::new(ErrorClass::Bug, "panic", said))
    })
}
