//! What is particular to `panofleet up`.

use panofleet_tests::fleet::{Fleet, Kind};

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
