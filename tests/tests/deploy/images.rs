//! The Dockerfiles: pinned, small, nobody's root; their commands and ports are the program's.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Settings, assert_pinned, assert_understood, docker, read, root};

/// An instruction and what it is given, continued lines joined.
fn instructions(path: &Path) -> Vec<(String, String)> {
    let text = read(path);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect()
}

fn of<'a>(instructions: &'a [(String, String)], word: &str) -> Vec<&'a str> {
    let named = instructions.iter().filter(|(found, _)| found == word);
    named.map(|(_, rest)| rest.as_str()).collect()
}

/// `["a", "b"]`
fn words(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn dockerfiles_keep_the_rules() {
    for name in ["base", "build", "panofleet"] {
        let all = instructions(&docker().join(name).join("Dockerfile"));
        for argument in of(&all, "ARG").iter().filter(|argument| !argument.starts_with("PROFILE")) {
            let (_, image) = argument.split_once('=').expect("every base has a default");
            assert_pinned(image, name);
        }
        let from = of(&all, "FROM");
        assert!(from.iter().all(|from| from.starts_with("${")), "{name}: bases are arguments");
        assert!(of(&all, "ADD").is_empty(), "{name}: COPY does what is meant");
        for run in of(&all, "RUN") {
            let installs = run.contains("apt-get install");
            assert!(!installs || run.contains("rm -rf /var/lib/apt/lists/*"), "{name}: {run}");
            assert!(!run.contains("curl ") && !run.contains("wget "), "{name}: {run}");
        }
        let context = if name == "base" { docker().join("base") } else { root() };
        for copy in of(&all, "COPY").iter().filter(|copy| !copy.starts_with("--from")) {
            let mut parts: Vec<_> = copy.split_whitespace().collect();
            parts.pop();
            for part in parts {
                assert!(context.join(part).exists(), "{name}: there is no {part}");
            }
        }
        if name != "build" {
            let user = of(&all, "USER").pop().expect("a user");
            assert_eq!(user, "10001:10001", "{name} runs as somebody who is nobody");
        }
    }
}

#[test]
fn the_image_starts_what_there_is() {
    let all = instructions(&docker().join("panofleet/Dockerfile"));
    let entry = words(of(&all, "ENTRYPOINT")[0]);
    assert_eq!(entry, ["tini", "--"]);
    assert!(read(&docker().join("base/Dockerfile")).contains(" tini"), "the base has an init");
    let command = words(of(&all, "CMD")[0]);
    assert_understood(&command.iter().map(String::as_str).collect::<Vec<_>>(), "CMD");
    let (_, health) = of(&all, "HEALTHCHECK")[0].split_once(" CMD ").expect("a command");
    let health = words(health);
    assert_understood(&health.iter().map(String::as_str).collect::<Vec<_>>(), "HEALTHCHECK");

    let file = of(&all, "ENV")[0].strip_prefix("PANOFLEET_CONFIG=").expect("where settings lie");
    let file = docker().join("panofleet/root").join(file.trim_start_matches('/'));
    let environment = BTreeMap::from([("PANOFLEET_CONFIG".to_owned(), file.display().to_string())]);
    let settings = Settings::of(&[], &environment, "the image");
    assert_eq!(of(&all, "VOLUME"), [settings.text("data_dir")]);
    let ports = ["api.listen", "store.listen", "metrics.listen"].map(|path| settings.port(path));
    let exposed: Vec<u16> =
        of(&all, "EXPOSE")[0].split(' ').map(|port| port.parse().expect("a port")).collect();
    assert_eq!(exposed, ports);
    let asked = format!("http://127.0.0.1:{}", settings.port("metrics.listen"));
    assert!(health.contains(&asked), "{health:?} asks where metrics are served");
}
