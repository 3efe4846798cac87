//! The clients for other languages, against a real service: what their tests do, and the examples of their READMEs as they
//! stand there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "other programs are run")]

use std::path::{Path, PathBuf};
use std::process::Command;

use panofleet_test_servers::free_ports;
use panofleet_tests::fleet::{ADMIN_KEY, Fleet, Kind};
use panofleet_tests::root;
use serde_json::{Value, json};

async fn service() -> Fleet {
    service_with(&[]).await
}

async fn service_with(settings: &[&str]) -> Fleet {
    let admin_key = format!("api.admin_key={ADMIN_KEY}");
    let settings = [&["api.auth=keys", admin_key.as_str()], settings].concat();
    Fleet::start(Kind::OneProcess, &settings).await
}

fn picture() -> PathBuf {
    root().join("fixtures/equirect.jpg")
}

/// What a program says, which must end well.
async fn said(mut command: Command) -> String {
    let name = format!("{command:?}");
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{name}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The example of a README, for this service and a picture that there is.
fn example(readme: &Path, fleet: &Fleet, changes: &[(&str, &str)]) -> String {
    let text = std::fs::read_to_string(readme).unwrap();
    let block = text.split("```").nth(1).expect("a block of code");
    let (_language, code) = block.split_once('\n').unwrap();
    assert!(code.lines().count() <= 12, "an example is short");
    let url = fleet.apis[0].url.as_str();
    let picture = picture();
    let common =
        [("http://127.0.0.1:8360", url), ("reef.jpg", picture.to_str().expect("a plain path"))];
    common.iter().chain(changes).fold(code.to_owned(), |code, (from, to)| {
        assert!(code.contains(from), "{from} is not in {code}");
        code.replace(from, to)
    })
}

fn python(fleet: &Fleet) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", root().join("clients/python/src"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(fleet.folder());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_does_what_it_says() {
    let fleet = service().await;
    let mut command = python(&fleet);
    command.arg(root().join("clients/python/tests/real_server.py"));
    command.args([&fleet.apis[0].url, ADMIN_KEY]).arg(picture()).arg("results");
    assert_eq!(said(command).await, "ok\n");
    let key = format!("key=\"{ADMIN_KEY}\"");
    let changes = [("key=None", key.as_str())];
    let code = example(&root().join("clients/python/README.md"), &fleet, &changes);
    let mut command = python(&fleet);
    command.args(["-c", &code]);
    let printed = said(command).await;
    assert!(printed.starts_with("succeeded /view/") && printed.contains("out/tiles/"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_does_what_it_says() {
    let client = root().join("clients/typescript");
    let built = client.join("dist/index.js");
    assert!(built.exists(), "{} is missing; ./dev test builds it", built.display());
    let fleet = service().await;
    let mut command = Command::new("node");
    command.arg(client.join("tests/real_server.mjs"));
    command.args([&fleet.apis[0].url, ADMIN_KEY]).arg(picture());
    assert_eq!(said(command).await, "ok\n");
    let keyed = format!("new Client(\"{}\", {{ key: \"{ADMIN_KEY}\" }})", fleet.apis[0].url);
    let plain = format!("new Client(\"{}\")", fleet.apis[0].url);
    let place = format!("from \"{}\"", built.display());
    let changes = [(plain.as_str(), keyed.as_str()), ("from \"panofleet\"", place.as_str())];
    let code = example(&client.join("README.md"), &fleet, &changes);
    let file = fleet.folder().join("example.mjs");
    std::fs::write(&file, code).unwrap();
    let mut command = Command::new("node");
    command.arg(file);
    let printed = said(command).await;
    assert!(printed.starts_with("succeeded /view/") && printed.contains("tiles"), "{printed}");
}

/// A page of a named origin uploads in parts, in a browser that asks both servers whether it may. Another page may not.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_a_named_origin_uploads_in_parts() {
    const BYTES: usize = 12 * 1024 * 1024;
    let [port, other] = free_ports();
    let origins = format!("api.http.cors_origins=[\"http://127.0.0.1:{port}\"]");
    let fleet = service_with(&[&origins, "api.uploads.part_bytes=5242880"]).await;
    let open = |port: u16| {
        let mut command = Command::new("node");
        command.arg(root().join("tests/browser/upload.mjs")).arg(&fleet.apis[0].url);
        command.args([ADMIN_KEY, &port.to_string(), &BYTES.to_string()]);
        command
    };
    let report: Value = serde_json::from_str(&said(open(port)).await).unwrap();
    assert_eq!(report["errors"], json!([]), "{report}");
    let id = report["source"].as_str().unwrap().strip_prefix("upload:").unwrap();
    let key = format!("default/uploads/{id}");
    let there = fleet.objects.get_bytes(&fleet.bucket, &key, BYTES as u64).await.unwrap();
    assert!(there.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at * 31 % 251));
    assert_eq!(there.len(), BYTES);

    let refused = tokio::task::block_in_place(|| open(other).output()).unwrap();
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(!refused.status.success() && said.contains("CORS policy"), "{said}");
}
