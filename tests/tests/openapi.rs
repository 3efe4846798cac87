//! A stranger's program (Schemathesis) reads the API's document and tries what it says, and what it does not: every answer is
//! one that the document has, what does not fit is refused, nobody gets in without a key, and nothing goes wrong inside.
#![expect(clippy::disallowed_methods, reason = "another program is run")]

use std::process::Command;

use panofleet_tests::fleet::{ADMIN_KEY, Fleet, Kind};
use panofleet_tests::root;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_what_its_document_says() {
    let program = root().join(".dev/schemathesis/bin/schemathesis");
    assert!(program.exists(), "{} is missing; ./dev test fetches it", program.display());
    let admin_key = format!("api.admin_key={ADMIN_KEY}");
    let fleet = Fleet::start(Kind::OneProcess, &["api.auth=keys", &admin_key]).await;
    let mut command = Command::new(program);
    command
        .args(["run", &format!("{}/v1/openapi.json", fleet.apis[0].url)])
        .args(["--header", &format!("Authorization: Bearer {ADMIN_KEY}")])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1"])
        .args(["--workers", "2", "--request-timeout", "20", "--no-color"])
        // They wait for a job to change.
        .args(["--exclude-path-regex", "/(wait|events|changes)$"])
        // Regions, presets and limits are the configuration's: no schema knows them.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .current_dir(fleet.folder());
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends");
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" passed"), "{said}");
}
