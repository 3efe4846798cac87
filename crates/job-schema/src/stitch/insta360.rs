//! The calibration that cameras of Insta360 append to their files.
//!
//! Numbers with `_` between them: how many lenses, what is known of each, and the version. Sources: the order of numbers,
//! with the values of an X5, is in github.com/Insta360Develop/Desktop-CameraSDK-Cpp issue 85; the model of the longest form
//! is the unified sphere with Brown's distortion (github.com/gyroflow/gyroflow,
//! `core/stabilization/distortion_models/insta360.rs`).
//! A roll of 90 is an upright picture: github.com/mistic100/Photo-Sphere-Viewer issue 1787 shows one of those upright. Which
//! way the other angles turn is told nowhere; they are some tenths of a degree, and left to the alignment.

use super::{LensCurve, LensPlan};
use crate::operations::shared::PixelRect;
use crate::panorama::LensKind;
use crate::render::Angles;

/// Numbers of a lens, by the numbers of all.
const FORMS: [(usize, Form); 3] = [(40, Form::Sphere), (34, Form::Polynomial), (16, Form::Circle)];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// ξ, two focal lengths, centre, three angles, three lengths, k1 k2 k3, p1 p2, size, kind.
    Sphere,
    /// Radius, centre, three angles, three lengths, four numbers of a curve that is not used here, size, kind.
    Polynomial,
    /// Radius, centre, three angles; the size once, behind both lenses.
    Circle,
}

/// `None` for what is not two lenses in one of the forms, or not of a picture of this shape.
pub(super) fn lenses(text: &str, halves: [PixelRect; 2], fov_deg: f64) -> Option<[LensPlan; 2]> {
    let numbers: Option<Vec<f64>> = text.split('_').map(|word| word.parse().ok()).collect();
    let numbers =
        numbers.filter(|numbers| numbers.iter().all(|number: &f64| number.is_finite()))?;
    let (_, form) = FORMS.into_iter().find(|(count, _)| *count == numbers.len())?;
    let [lenses, numbers @ ..] = &numbers[..] else { return None };
    if *lenses != 2.0 {
        return None;
    }
    let each = match form {
        Form::Sphere => 19,
        Form::Polynomial => 16,
        Form::Circle => 6,
    };
    let (first, rest) = numbers.split_at_checked(each)?;
    let (second, rest) = rest.split_at_checked(each)?;
    let size = match form {
        Form::Circle => rest.get(..2)?,
        Form::Sphere | Form::Polynomial => first.get(each - 3..each - 1)?,
    };
    let whole = [halves[1].left_px + halves[1].width_px, halves[0].height_px].map(f64::from);
    let scale = whole[0] / size[0];
    // A picture of another shape has been cut, and nobody says where.
    if size[1] <= 0.0
        || !(1e-3..=1e3).contains(&scale)
        || (scale * size[1] / whole[1] - 1.0).abs() > 0.01
    {
        return None;
    }
    let lens = |numbers: &[f64], half| plan(form, numbers, half, (fov_deg, scale));
    Some([lens(first, halves[0])?, lens(second, halves[1])?])
}

fn plan(
    form: Form,
    numbers: &[f64],
    part: PixelRect,
    (fov_deg, scale): (f64, f64),
) -> Option<LensPlan> {
    let half_rad = fov_deg.to_radians() / 2.0;
    let (curve, focal_px, centre, radial, tangential) = match (form, numbers) {
        (Form::Sphere, [offset, fx, fy, cx, cy, _, _, _, _, _, _, k1, k2, k3, p1, p2, ..]) => (
            LensCurve::UnifiedSphere { offset: *offset },
            [*fx, *fy],
            [*cx, *cy],
            [*k1, *k2, *k3, 0.0],
            [*p1, *p2],
        ),
        (Form::Polynomial | Form::Circle, [radius, cx, cy, ..]) => (
            LensCurve::Named { lens: LensKind::Equidistant },
            [radius / half_rad; 2],
            [*cx, *cy],
            [0.0; 4],
            [0.0; 2],
        ),
        _ => return None,
    };
    let corner = [part.left_px, part.top_px].map(f64::from);
    Some(LensPlan {
        part,
        curve,
        focal_px: focal_px.map(|focal_px| focal_px * scale),
        center_px: [centre[0] * scale - corner[0], centre[1] * scale - corner[1]],
        radial,
        tangential,
        fov_deg,
        turn: Angles::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of an X5, as its SDK prints them.
    const SPHERE: &str = "2_2.000000_4291.910_4291.470_2684.250_2687.750_-0.259_-0.011_89.729_0.000000_0.000000_0.000000_\
                          0.18322477_2.08857179_-3.36655450_0.00089921_0.00038060_10752_5376_113_2.000000_4278.090_\
                          4278.390_8066.330_2692.030_0.247_-0.221_89.754_0.000792_0.000132_-0.031986_0.18963484_\
                          2.04539418_-3.23319674_0.00101338_0.00195932_10752_5376_113_197632";
    const POLYNOMIAL: &str = "2_2663.416_2684.250_2687.750_-0.259_-0.011_89.729_0.000000_0.000000_0.000000_1.00000000_\
                              -0.18974844_0.27346808_-0.09002038_10752_5376_113_2658.524_8066.330_2692.030_0.247_-0.221_\
                              89.754_0.000792_0.000132_-0.031986_1.00000000_-0.18765773_0.27116153_-0.08905181_10752_5376_\
                              113_132096";
    const CIRCLE: &str = "2_2657.621_2684.250_2687.750_-0.259_-0.011_89.729_2651.033_8066.330_2692.030_0.247_-0.221_89.754_\
                          10752_5376_1137";

    fn halves(height_px: u32) -> [PixelRect; 2] {
        [0, height_px].map(|left_px| PixelRect {
            left_px,
            top_px: 0,
            width_px: height_px,
            height_px,
        })
    }

    #[test]
    fn every_form_says_where_the_lenses_lie() {
        for (text, focal_px) in [(SPHERE, 4291.91), (POLYNOMIAL, 1526.0), (CIRCLE, 1522.7)] {
            let [first, second] = lenses(text, halves(5376), 200.0).unwrap();
            assert_eq!(first.center_px, [2684.25, 2687.75]);
            assert!((second.center_px[0] - (8066.33 - 5376.0)).abs() < 1e-9);
            assert!((first.focal_px[0] - focal_px).abs() < 0.1, "{:?}", first.focal_px);
        }
        let [first, _] = lenses(SPHERE, halves(5376), 200.0).unwrap();
        assert_eq!(first.radial, [0.18322477, 2.08857179, -3.3665545, 0.0]);
        assert_eq!(first.tangential, [0.00089921, 0.0003806]);
        // The circle ends where the shorter form says that it does: both models are of one lens.
        let (LensCurve::UnifiedSphere { offset }, angle) = (first.curve, 100_f64.to_radians())
        else {
            panic!()
        };
        let r = angle.sin() / (angle.cos() + offset);
        let growth = 1.0 + 0.18322477 * r.powi(2) + 2.08857179 * r.powi(4) - 3.3665545 * r.powi(6);
        assert!((4291.91 * r * growth - 2657.6).abs() < 10.0);
    }

    #[test]
    fn a_smaller_picture_of_the_same_shape_is_measured_likewise() {
        let [first, second] = lenses(CIRCLE, halves(2688), 200.0).unwrap();
        assert!((first.center_px[0] - 1342.125).abs() < 1e-9);
        assert!((second.center_px[0] - (8066.33 / 2.0 - 2688.0)).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let other_shape = PixelRect { left_px: 0, top_px: 0, width_px: 500, height_px: 900 };
        assert_eq!(lenses(CIRCLE, [other_shape, other_shape], 200.0), None);
        for text in [
            "",
            "a_b_c",
            "2_1_2",
            &CIRCLE.replace("2657.621", "nan"),
            &CIRCLE.replacen('2', "3", 1),
        ] {
            assert_eq!(lenses(text, halves(5376), 200.0), None, "{text}");
        }
    }
}
