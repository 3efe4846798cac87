//! What `panofleet top` shows, and what its keys do. It knows the fleet by its API only.
//!
//! | you look for | file |
//! |---|---|
//! | what is known of the fleet | `top/snapshot.rs` |
//! | where somebody stands in it, and what keys do | `top/app.rs` |
//! | how that looks: a pure function of it | `top/view.rs`, `top/tables.rs` |
//! | the terminal, and what is under way | `top/screen.rs` |

pub(crate) mod app;
pub(crate) mod screen;
pub(crate) mod snapshot;
mod tables;
mod view;

pub(crate) use tables::text;

#[cfg(test)]
mod tests;
