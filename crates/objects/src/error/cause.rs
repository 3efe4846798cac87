//! What is at the bottom of an error that others have wrapped.

use std::error::Error;
use std::{io, iter};

/// An error and everything that it says caused it, outermost first.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // `source` of an error that wraps another in `io::Error` skips the wrapped one.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.map_or_else(|| error.source(), |wrapped| Some(wrapped))
}

/// What was wrong in the end, for people: `connection refused`. What wraps it, such as the SDK's `dispatch failure`,
/// says nothing that they could act on.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(words).unwrap_or_default()
}

/// An error's own words; those of the operating system without its number, and beginning small like all others.
fn words(error: &(dyn Error + 'static)) -> String {
    let said = error.to_string();
    let number = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
    let Some(number) = number else { return said };
    let mut letters = said.strip_suffix(&format!(" (os error {number})")).unwrap_or(&said).chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("dispatch failure")]
    struct Wrap(#[source] io::Error);

    #[test]
    fn the_root_is_what_people_can_act_on() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(root(&Wrap(refused)), "connection refused");
        let inner = io::Error::other(Wrap(io::Error::from_raw_os_error(113)));
        assert_eq!(root(&Wrap(inner)), "no route to host");
        assert_eq!(root(&io::Error::other("The name is not known")), "The name is not known");
    }
}
