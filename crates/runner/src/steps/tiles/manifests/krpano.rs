//! krpano's words. Its viewer is not free, so no test opens these: the file follows krpano's XML reference
//! (`image.cube`, `multires`, `baseindex`, `preview`).

use super::Viewers;

impl Viewers<'_> {
    /// `krpano.xml`: tile size and face sizes from small to large; rows and columns are counted from 0.
    pub(in crate::steps::tiles) fn krpano(&self) -> String {
        let pyramid = self.sphere.pyramid();
        let sizes: Vec<String> = std::iter::once(pyramid.tile_px().get())
            .chain(pyramid.levels().map(|level| level.face_px.get()))
            .map(|px| px.to_string())
            .collect();
        let view = self.initial_view();
        let (extension, sizes) = (self.plan.format.extension(), sizes.join(","));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <krpano>\n  \
             <preview type=\"cubestrip\" striporder=\"BDFLRU\" url=\"preview.{extension}\"/>\n  \
             <view hlookat=\"{}\" vlookat=\"{}\" fovtype=\"HFOV\" fov=\"{}\"/>\n  \
             <image baseindex=\"0\">\n    \
             <cube url=\"%l/%s%v_%h.{extension}\" multires=\"{sizes}\"/>\n  \
             </image>\n\
             </krpano>\n",
            view.yaw_deg, -view.pitch_deg, view.hfov_deg
        )
    }
}
