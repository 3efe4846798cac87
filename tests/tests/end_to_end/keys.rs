//! A service that asks for keys, from the command line's side.

use std::process::Command;

use panofleet_tests::fleet::{Fleet, Kind};
use panofleet_tests::processes;
use serde_json::Value;

const ADMIN_KEY: &str = "an-admin-key-of-the-configuration-that-nobody-guesses";

/// What a command says with a key, or why it does not.
#[expect(clippy::disallowed_methods, reason = "the test is a person at a terminal")]
fn panofleet(fleet: &Fleet, key: Option<&str>, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(processes::program("panofleet"));
    command.arg("--data").arg(fleet.folder()).args(arguments).env_remove("PANOFLEET_API_KEY");
    command.envs(key.map(|key| ("PANOFLEET_API_KEY", key)));
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

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
