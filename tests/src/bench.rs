//! What a fleet achieves: load on its API, and what its processes and servers spend on it. `./dev bench fleet` runs it.

pub mod cost;
pub mod load;
pub mod wire;
