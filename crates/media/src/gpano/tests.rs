use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::xmp;

const ATTRIBUTES: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
    <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description rdf:about="" xmlns:P="http://ns.google.com/photos/1.0/panorama/"
        P:ProjectionType="equirectangular" P:FullPanoWidthPixels="6000" P:FullPanoHeightPixels="3000.0"
        P:PoseHeadingDegrees="350.5" P:UsePanoramaViewer="True"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"#;

const ELEMENTS: &str = r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
    <rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/">
        <GPano:ProjectionType>equirectangular</GPano:ProjectionType>
        <GPano:FullPanoWidthPixels> 6000 </GPano:FullPanoWidthPixels>
        <GPano:FullPanoHeightPixels>3000</GPano:FullPanoHeightPixels>
        <GPano:PoseHeadingDegrees>-9.5</GPano:PoseHeadingDegrees>
        <GPano:UsePanoramaViewer>true</GPano:UsePanoramaViewer>
    </rdf:Description></rdf:RDF>"#;

fn read_back(packet: &str) -> (Option<GPano>, Vec<String>) {
    let mut warnings = Vec::new();
    let gpano = read(&xmp::properties(packet.as_bytes()).unwrap(), &mut warnings);
    (gpano, warnings)
}

#[test]
fn both_forms_say_the_same() {
    let expected = GPano {
        projection: Some("equirectangular".into()),
        use_panorama_viewer: Some(true),
        full_width_px: Some(6000),
        full_height_px: Some(3000),
        pose_heading_deg: Some(350.5),
        ..GPano::default()
    };
    for packet in [ATTRIBUTES, ELEMENTS] {
        assert_eq!(read_back(packet), (Some(expected.clone()), vec![]));
    }
}

#[test]
fn what_is_wrong_is_named() {
    let with = |field: &str| {
        read_back(&format!("<a xmlns:g='http://ns.google.com/photos/1.0/panorama/' {field}/>"))
    };
    for (field, words) in [
        (
            "g:CroppedAreaLeftPixels='-1'",
            "CroppedAreaLeftPixels is `-1`, which is not a whole number from 0",
        ),
        ("g:FullPanoWidthPixels='wide'", "FullPanoWidthPixels is `wide`"),
        (
            "g:PosePitchDegrees='91'",
            "PosePitchDegrees is `91`, which is not an angle from -90° to 90°",
        ),
        ("g:PoseRollDegrees='NaN'", "PoseRollDegrees is `NaN`"),
        ("g:UsePanoramaViewer='yes'", "`True` or `False`"),
    ] {
        let (gpano, warnings) = with(field);
        assert_eq!((gpano, warnings.len()), (None, 1), "{field}");
        assert!(warnings[0].contains(words), "{field}: {warnings:?}");
    }
    assert_eq!(with("g:SomethingNew='1'"), (None, vec![]));
}

#[test]
fn what_contradicts_itself_is_said() {
    let whole = GPano::whole_sphere(4000, 2000);
    assert_eq!(contradictions(&whole, 4000, 2000), Vec::<String>::new());
    assert_eq!(contradictions(&GPano::default(), 4000, 2000), Vec::<String>::new());
    for (gpano, words) in [
        (
            GPano { cropped_left_px: Some(1), ..whole.clone() },
            "1 + CroppedAreaImageWidthPixels 4000 > FullPanoWidthPixels 4000",
        ),
        (GPano { cropped_top_px: Some(7), ..whole.clone() }, "CroppedAreaTopPixels 7"),
        (
            GPano { full_height_px: Some(2001), ..whole.clone() },
            "4000×2001 pixels, which is not 2:1",
        ),
        (
            GPano { cropped_width_px: Some(3999), ..whole },
            "3999×2000 pixels and this one has 4000×2000",
        ),
    ] {
        let said = contradictions(&gpano, 4000, 2000);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(words), "{said:?}");
    }
}

/// What other programs are known to need: no fractions, capital letters, the usual prefix.
#[test]
fn a_packet_is_written_as_others_read_it() {
    let gpano = GPano {
        pose_heading_deg: Some(12.25),
        pose_roll_deg: Some(-0.0),
        stitching_software: Some("A & \"B\" <c>".into()),
        ..GPano::whole_sphere(4000, 2000)
    };
    let packet = write(&gpano).unwrap();
    for part in [
        r#"GPano:ProjectionType="equirectangular""#,
        r#"GPano:UsePanoramaViewer="True""#,
        r#"GPano:FullPanoWidthPixels="4000""#,
        r#"GPano:PoseHeadingDegrees="12.25""#,
        r#"GPano:PoseRollDegrees="0""#,
        r#"GPano:StitchingSoftware="A &amp; &quot;B&quot; &lt;c&gt;""#,
    ] {
        assert!(packet.contains(part), "{part} in {packet}");
    }
    assert_eq!(write(&GPano::default()), None);
}

fn texts() -> impl Strategy<Value = Option<String>> {
    of("[a-z<>&\"' é🌍0-9]{0,20}[a-z]").prop_map(|text| text.map(|text| text.trim().to_owned()))
}

fn angles() -> impl Strategy<Value = [Option<f64>; 7]> {
    let of_limit = |min: f64, max: f64| of(min..max);
    (
        of_limit(0.0, 360.0),
        of_limit(-90.0, 90.0),
        of_limit(-180.0, 180.0),
        of_limit(-360.0, 360.0),
        of_limit(-90.0, 90.0),
        of_limit(-180.0, 180.0),
        of_limit(0.0, 360.0),
    )
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g])
}

proptest! {
    #[test]
    fn reading_undoes_writing(
        whole in prop::array::uniform7(of(any::<u32>())),
        area in of(any::<[u32; 4]>()),
        angles in angles(),
        flags in any::<[Option<bool>; 2]>(),
        texts in prop::array::uniform5(texts()),
    ) {
        let [projection, capture_software, stitching_software, first_photo_date, last_photo_date] = texts;
        let gpano = GPano {
            projection,
            use_panorama_viewer: flags[0],
            full_width_px: whole[0],
            full_height_px: whole[1],
            cropped_width_px: whole[2],
            cropped_height_px: whole[3],
            cropped_left_px: whole[4],
            cropped_top_px: whole[5],
            valid_area: area.map(|[left_px, top_px, width_px, height_px]| {
                ValidArea { left_px, top_px, width_px, height_px }
            }),
            pose_heading_deg: angles[0],
            pose_pitch_deg: angles[1],
            pose_roll_deg: angles[2],
            initial_heading_deg: angles[3],
            initial_pitch_deg: angles[4],
            initial_roll_deg: angles[5],
            initial_hfov_deg: angles[6],
            capture_software,
            stitching_software,
            source_photos: whole[6],
            first_photo_date,
            last_photo_date,
            exposure_locked: flags[1],
        };
        match write(&gpano) {
            Some(packet) => prop_assert_eq!(read_back(&packet), (Some(gpano), vec![])),
            None => prop_assert_eq!(gpano, GPano::default()),
        }
    }
}
