//! A service that asks for keys, from the command line's side.

use panofleet_tests::fleet::{ADMIN_KEY, Fleet, Kind};
use serde_json::Value;

use crate::site::panofleet;

#[tokio::test(flavor = "multi_thread")]
async fn commands_go_by_their_key() {
    let admin_key = format!("api.admin_key={ADMIN_KEY}");
    let settings = ["api.auth=keys", &admin_key, "api.key_cache=200ms"];
    let fleet = Fleet::start(Kind::OneProcess, &settings).await;
    let admin = Some(ADMIN_KEY);
    let refused = panofleet(&fleet, None, &["jobs"]).unwrap_err();
    assert!(refused.contains("PANOFLEET_API_KEY") && refused.contains("key_missing"), "{refused}");

    let create =
        ["keys", "create", "uploader", "--tenant", "acme", "--scope", "jobs:write", "--json"];
    let made: Value = serde_json::from_str(&panofleet(&fleet, admin, &create).unwrap()).unwrap();
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let submit = ["submit", "none", "--output", "n=fleet.noop", "--wait"];
    panofleet(&fleet, Some(secret), &submit).unwrap();
    let file = fleet.folder().join("key");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let by_file = ["whoami", "--key-file", file.to_str().unwrap()];
    let who = panofleet(&fleet, None, &by_file).unwrap();
    assert!(
        who.contains("uploader") && who.contains("acme") && who.contains("jobs:write"),
        "{who}"
    );
    let refused = panofleet(&fleet, Some(secret), &["workers"]).unwrap_err();
    assert!(refused.contains("scope ops"), "{refused}");
    let refused = panofleet(&fleet, Some(secret), &["jobs", "--tenant", "other"]).unwrap_err();
    assert!(refused.contains("wrong_tenant"), "{refused}");
    assert!(panofleet(&fleet, admin, &["jobs", "--tenant", "other"]).unwrap().lines().count() <= 2);

    let rotated = panofleet(&fleet, admin, &["keys", "rotate", id, "--json"]).unwrap();
    let next: Value = serde_json::from_str(&rotated).unwrap();
    panofleet(&fleet, next["secret"].as_str(), &["jobs"]).unwrap();
    panofleet(&fleet, admin, &["keys", "revoke", id]).unwrap();
    let refused = panofleet(&fleet, Some(secret), &["jobs"]).unwrap_err();
    assert!(refused.contains("revoked"), "{refused}");
    let listed = panofleet(&fleet, admin, &["keys", "list"]).unwrap();
    assert!(listed.contains("revoked") && listed.contains("active"), "{listed}");
    let audit = panofleet(&fleet, admin, &["audit", "--within", "1h"]).unwrap();
    for action in ["key.create", "key.rotate", "key.revoke"] {
        assert!(audit.contains(action) && audit.contains("api.admin_key"), "{audit}");
    }
    let flag = ["config", "--set", &admin_key];
    assert!(!panofleet(&fleet, admin, &flag).unwrap().contains(ADMIN_KEY));
}
