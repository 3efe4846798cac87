//! `panofleet up`.

use std::collections::BTreeMap;
use std::path::Path;

use panofleet_objects::{ObjectStore, ObjectsConfig, Secret};
use serde_json::Value;

use super::{Fleet, Process, Processes, QUICK, READY, await_ready};
use crate::api::Api;
use crate::eventually;

/// The one process.
pub(super) const NAME: &str = "up";
/// One process is quick to notice that a message was not sent.
const PLACE_TIMEOUT: &str = "policy.place_timeout=500ms";

pub(super) async fn start(settings: &[&str]) -> Fleet {
    let folder = tempfile::tempdir().expect("a folder");
    let mut arguments: Vec<String> =
        ["up", "--listen", "127.0.0.1:0", "--data", "."].map(str::to_owned).into();
    for setting in QUICK.iter().chain([&PLACE_TIMEOUT]).chain(settings) {
        arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
    }
    let mut process = Process::new(NAME, arguments, folder.path());
    process.start();
    let processes = Processes(vec![process]);
    let (api, objects) = connect(folder.path()).await;
    await_ready(&api).await;
    let (apis, bucket) = (vec![api.clone()], "panofleet".into());
    Fleet {
        folder,
        processes,
        links: BTreeMap::new(),
        api,
        apis,
        objects,
        bucket,
        database: None,
        kafka: None,
    }
}

/// Whoever looks for the address of a killed service would find the dead one.
pub(super) fn forget_address(folder: &Path) {
    // A fleet of roles has none.
    drop(std::fs::remove_file(folder.join("up.json")));
}

/// Finds the service as its clients do.
pub(super) async fn connect(folder: &Path) -> (Api, ObjectStore) {
    let read = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
    };
    let address =
        eventually("the service writes its address", READY, async || read("up.json")).await;
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let secrets = read("secrets.json").expect("the fleet's secrets");
    let secret = Secret::new(text(&secrets["secret_key"]));
    let config =
        ObjectsConfig::new(&text(&address["store"]), &text(&secrets["access_key"]), secret);
    (Api::new(&text(&address["api"])), ObjectStore::new(&config).expect("an object store"))
}
