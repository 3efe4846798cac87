//! The crate as others use it.

#[cfg(test)]
mod movies;
