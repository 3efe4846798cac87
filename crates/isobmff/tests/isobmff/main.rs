//! The crate as others use it.

#[cfg(test)]
mod cmaf;
#[cfg(test)]
mod movies;
