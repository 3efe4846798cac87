//! What is particular to `panofleet up`.

use panofleet_tests::fleet::{Fleet, Kind};
use panofleet_tests::root;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::site::panofleet;

/// A second service on the folder of a running one is refused, and the first one is found as before.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_the_same_folder_leaves_the_first_alone() {
    let fleet = Fleet::start(Kind::OneProcess, &[]).await;
    let address = || std::fs::read_to_string(fleet.folder().join("up.json")).unwrap();
    let before = address();
    let refused = fleet.start_a_second("up").await;
    assert!(refused.contains("another process"), "{refused}");
    assert_eq!(address(), before);
    assert!(fleet.api.is_ready().await);
}

/// A result comes onto the machine whole, and what is there already is not fetched again.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_fetched_and_checked() {
    let fleet = Fleet::start(Kind::OneProcess, &[]).await;
    let folder = fleet.folder().join("got");
    let picture = root().join("fixtures/equirect.jpg");
    let (picture, to) = (picture.to_str().unwrap(), folder.to_str().unwrap());
    let outputs = ["--output", "tiles=pano.tiles", "--output", "small=image.thumbnail"];
    let submit = [&["submit", picture, "--json", "--download", to], outputs.as_slice()].concat();
    let said: Value = serde_json::from_str(&panofleet(&fleet, None, &submit).unwrap()).unwrap();
    let mut files = 0;
    for (name, output) in said["manifest"]["outputs"].as_object().unwrap() {
        for file in output["files"].as_array().unwrap() {
            let path = folder.join(name).join(file["path"].as_str().unwrap());
            let sha256 = hex::encode(Sha256::digest(std::fs::read(&path).unwrap()));
            assert_eq!(file["sha256"], sha256, "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 5);
    let id = said["job"]["id"].as_str().unwrap();
    let get = ["outputs", "get", id, to, "--json"];
    let again = |arguments: &[&str]| -> Value {
        serde_json::from_str(&panofleet(&fleet, None, arguments).unwrap()).unwrap()
    };
    assert_eq!((&again(&get)["files"], &again(&get)["fetched"]), (&files.into(), &0.into()));
    std::fs::write(folder.join("tiles/config.json"), "{}").unwrap();
    assert_eq!(again(&get)["fetched"], 1);
    let refused = panofleet(&fleet, None, &[&get[..], &["--output", "none"]].concat());
    assert!(refused.unwrap_err().contains("small, tiles"));
    assert!(
        panofleet(&fleet, None, &["outputs", "list", id]).unwrap().contains("tiles/config.json")
    );
}
