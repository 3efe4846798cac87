//! How good six faces are, in numbers: what of their source is left in them, whether they fit, and how
//! fine the detail is that they hold.

mod round_trip;
mod seams;
mod spectrum;
mod sphere;

pub use round_trip::{RoundTrip, round_trip};
pub use seams::{SeamScore, seam_score};
pub use spectrum::resolved_share;
pub use sphere::{SphereWeights, psnr_db, weighted_mse};
