//! Frames: planes of YCbCr or RGB, remapped as what they are.

use panofleet_projection::{Pixel, Ray, Size};

use crate::engine::Level;
use crate::{
    Description, Geometry, Grid, Kernel, Plane, PlaneRemap, PlaneView, RasterError, Sample,
};

/// The planes of a frame in their order: luma, blue and red difference, alpha; or red, green, blue,
/// alpha; or luma alone.
#[derive(Debug, Clone)]
pub struct Frame<'a, S> {
    /// Size of the picture, which is that of its first plane.
    pub size: Size,
    /// What the planes mean.
    pub description: Description,
    /// One to four planes.
    pub planes: Vec<PlaneView<'a, S>>,
}

/// Frames of one kind, ready to be remapped again and again.
///
/// Chroma has a map of its own, in which the siting of both sides counts; range and siting convert
/// on the way. Matrix, transfer and primaries must be the same on both sides: they mix planes or
/// are not linear, so they convert before or after.
#[derive(Debug)]
pub struct FrameRemap {
    luma: PlaneRemap,
    /// If it differs from luma's.
    chroma: Option<PlaneRemap>,
    target: (Size, Description),
    source: (Size, Description),
    /// The numbers of the target's planes where the source shows nothing, if not black.
    background: Option<[f32; 4]>,
}

impl FrameRemap {
    /// From frames of `geometry`'s size to frames of another, whose picture positions look along
    /// `ray`; `None` where there is nothing to see.
    ///
    /// # Errors
    ///
    /// [`RasterError::OtherColours`] if the descriptions differ in what cannot be converted here.
    pub fn new(
        (geometry, source): (Geometry, Description),
        (size, target): (Size, Description),
        kernel: Kernel,
        ray: impl Fn(Pixel) -> Option<Ray> + Sync,
    ) -> Result<Self, RasterError> {
        let colours = |of: &Description| (of.matrix, of.transfer, of.primaries, of.has_alpha);
        if colours(&source) != colours(&target) {
            return Err(RasterError::OtherColours);
        }
        let from = geometry.size();
        let luma = PlaneRemap::new((geometry, from, Grid::FULL), (size, Grid::FULL), kernel, &ray);
        let grids = [source.chroma_grid(), target.chroma_grid()];
        let chroma = (grids != [Grid::FULL; 2]).then(|| {
            let from = (geometry, source.chroma_size(from), grids[0]);
            PlaneRemap::new(from, (target.chroma_size(size), grids[1]), kernel, &ray)
        });
        let (target, source) = ((size, target), (from, source));
        Ok(Self { luma, chroma, target, source, background: None })
    }

    /// The same with other numbers than those of black in the target's planes where the source shows
    /// nothing; what goes beyond its planes is ignored.
    #[must_use]
    pub fn with_background(self, numbers: [f32; 4]) -> Self {
        Self { background: Some(numbers), ..self }
    }

    /// Planes for a result.
    ///
    /// # Errors
    ///
    /// [`RasterError::TooLarge`].
    pub fn blank<S: Sample>(&self, planes: usize) -> Result<Vec<Plane<S>>, RasterError> {
        let (size, description) = &self.target;
        let chroma = description.chroma_size(*size);
        let of = |plane| if self.is_chroma(plane) { chroma } else { *size };
        (0..planes).map(|plane| Plane::filled(of(plane), S::default())).collect()
    }

    /// Whether a plane is a colour difference.
    fn is_chroma(&self, plane: usize) -> bool {
        self.source.1.matrix.luma_weights().is_some() && (1..3).contains(&plane)
    }

    /// Remaps a frame into planes that [`blank`](Self::blank) gave, or others of their size. What
    /// the source does not show is black, and transparent if there is alpha.
    ///
    /// # Errors
    ///
    /// [`RasterError::UnequalPlanes`] if a plane has another size than the frames that this is
    /// for, or their number differs; [`RasterError::OtherColours`] for another kind of frame.
    pub fn run<S: Sample>(
        &self,
        frame: &Frame<'_, S>,
        targets: &mut [Plane<S>],
    ) -> Result<(), RasterError> {
        if (frame.size, frame.description) != self.source {
            return Err(RasterError::OtherColours);
        }
        if frame.planes.len() != targets.len() || targets.is_empty() {
            return Err(RasterError::UnequalPlanes);
        }
        if self.source.1.has_alpha && self.chroma.is_some() {
            // Colour would have to be weighed by an alpha of another size.
            return Err(RasterError::OtherColours);
        }
        let Some(chroma) = &self.chroma else {
            let levels: Vec<Level> = (0..targets.len()).map(|plane| self.level(plane)).collect();
            return self.luma.run_at(&frame.planes, targets, &levels, self.source.1.has_alpha);
        };
        let (luma, colour) = targets.split_at_mut(1);
        self.luma.run_at(&frame.planes[..1], luma, &[self.level(0)], false)?;
        let colours = &frame.planes[1..];
        // Planes of one stride share positions and weights.
        if colours.iter().all(|plane| plane.stride == colours[0].stride) {
            let levels: Vec<Level> = (1..=colour.len()).map(|plane| self.level(plane)).collect();
            return chroma.run_at(colours, colour, &levels, false);
        }
        colours.iter().zip(colour.chunks_mut(1)).zip(1..).try_for_each(
            |((source, target), plane)| {
                chroma.run_at(&[*source], target, &[self.level(plane)], false)
            },
        )
    }

    /// How the numbers of a plane become those of the target.
    fn level(&self, plane: usize) -> Level {
        let is_alpha =
            self.source.1.has_alpha && plane != 0 && !self.is_chroma(plane) && plane == 3;
        if is_alpha {
            return Level::SAME;
        }
        let is_chroma = self.is_chroma(plane);
        let [from, to] = [&self.source.1, &self.target.1].map(|of| of.levels(is_chroma));
        let gain = (to[1] - to[0]) / (from[1] - from[0]);
        let background = self.background.map_or(to[0] as f32, |numbers| numbers[plane.min(3)]);
        Level { gain: gain as f32, bias: (to[0] - gain * from[0]) as f32, background }
    }
}
