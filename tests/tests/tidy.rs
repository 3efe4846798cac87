//! Rules that no linter can hold. Each failure says which rule, where, and what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};
use sha2::{Digest as _, Sha256};

/// Lines of a source file that are hard to hold in the head.
const LINES_MAX: usize = 500;
/// Half of all source files should be shorter.
const LINES_MEDIAN_MAX: usize = 180;

/// Which of our crates each may depend on: core ← adapters ← shells ← command.
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("isobmff", &[]),
    ("job-schema", &[]),
    ("projection", &[]),
    ("raster", &["projection"]),
    ("media", &["isobmff", "job-schema", "projection", "raster"]),
    ("bus", &["job-schema"]),
    ("objects", &["job-schema"]),
    ("jobs-db", &["job-schema"]),
    ("service", &["job-schema"]),
    ("runner", &["isobmff", "job-schema", "projection", "raster", "media"]),
    ("producer", &["job-schema", "bus", "objects", "jobs-db", "service"]),
    ("worker", &["job-schema", "bus", "objects", "service"]),
    ("collector", &["job-schema", "bus", "jobs-db", "service"]),
    (
        "panofleet",
        &["job-schema", "bus", "objects", "jobs-db", "service", "producer", "worker", "collector"],
    ),
];

/// Decoders and FFmpeg: in the runner only, never in the program that has credentials and a network.
const RUNNER_ONLY: &[&str] = &["ffmpeg-next", "image", "png", "turbojpeg", "webp", "moxcms"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").into()
}

fn short(package: &str) -> &str {
    package.strip_prefix("panofleet-").unwrap_or(package)
}

/// Every file below `folder` with one of these endings, outside built and fetched folders.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", "node_modules", "dist", ".git", ".dev"].contains(&name.as_str()) {
                found.extend(files(&path, endings));
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn dependencies_point_from_shells_to_the_core() {
    let metadata = MetadataCommand::new().current_dir(root()).exec().expect("cargo metadata");
    let allowed: BTreeMap<_, _> = MAY_DEPEND_ON.iter().copied().collect();
    let ours: BTreeSet<_> =
        metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let name = short(&package.name).to_owned();
        if name.starts_with("test") {
            continue;
        }
        let Some(allowed) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table of tidy.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            let to = short(&dependency.name);
            let production = dependency.kind != DependencyKind::Development;
            if production && ours.contains(&dependency.name) && !allowed.contains(&to) {
                wrong.push(format!("{name} depends on {to}: not in this direction"));
            }
            if production
                && RUNNER_ONLY.contains(&dependency.name.as_str())
                && !["media", "runner"].contains(&name.as_str())
            {
                wrong.push(format!(
                    "{name} depends on {}: decoders run in the runner only",
                    dependency.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_command_links_no_decoder() {
    let metadata = MetadataCommand::new().current_dir(root()).exec().expect("cargo metadata");
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let by_id: BTreeMap<_, _> =
        metadata.packages.iter().map(|p| (&p.id, p.name.to_string())).collect();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let start = metadata.packages.iter().find(|p| *p.name == "panofleet").expect("the command");
    let mut seen = BTreeSet::new();
    let mut next = vec![&start.id];
    while let Some(id) = next.pop() {
        if seen.insert(id) {
            let linked = nodes[id]
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
            next.extend(linked.map(|dep| &dep.pkg));
        }
    }
    let linked: Vec<_> = seen.iter().map(|id| &by_id[*id]).collect();
    let decoders: Vec<_> =
        linked.iter().filter(|name| RUNNER_ONLY.contains(&name.as_str())).collect();
    assert!(decoders.is_empty(), "panofleet links {decoders:?}; decoders run in the runner only");
}

#[test]
fn no_file_outgrows_the_head() {
    let sources = files(&root().join("crates"), &[".rs"]);
    let mut lengths = Vec::new();
    let mut long = Vec::new();
    for path in sources {
        let lines = fs::read_to_string(&path).expect("a source file").lines().count();
        lengths.push(lines);
        if lines > LINES_MAX {
            long.push(format!(
                "{} has {lines} lines; split it (limit {LINES_MAX})",
                path.display()
            ));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= LINES_MEDIAN_MAX, "half the files have more than {median} lines");
}

#[test]
fn names_say_what_a_file_is_about() {
    const EMPTY_NAMES: &[&str] =
        &["util", "utils", "common", "helper", "helpers", "misc", "manager", "mod"];
    let nameless: Vec<_> = files(&root().join("crates"), &[".rs"])
        .into_iter()
        .filter(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            EMPTY_NAMES.contains(&stem.as_str())
        })
        .collect();
    assert!(nameless.is_empty(), "name the concept: {nameless:?}");
}

#[test]
fn nothing_is_ignored_or_left_for_later() {
    let mut found = Vec::new();
    for path in files(&root().join("crates"), &[".rs"])
        .into_iter()
        .chain(files(&root().join("tests"), &[".rs"]))
    {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        for (line, code) in (1..).zip(text.lines()) {
            for word in ["TODO", "FIXME", "XXX", "HACK", "#[ignore]", "todo!(", "unimplemented!("] {
                if code.contains(word) {
                    found.push(format!("{}:{line}: {word}", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "do it or file an issue:\n{}", found.join("\n"));
}

#[test]
fn every_operation_is_a_file_and_a_table_line() {
    let folder = root().join("crates/job-schema/src/operations");
    let table = fs::read_to_string(root().join("crates/job-schema/src/operation.rs"))
        .expect("operation.rs");
    for path in files(&folder, &[".rs"]) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if stem != "shared" {
            let line = format!("crate::operations::{stem}::DOC");
            assert!(table.contains(&line), "{stem}: no {line} in Operation::docs()");
        }
    }
}

#[test]
fn versions_stand_in_the_workspace_table_only() {
    for path in files(&root().join("crates"), &["Cargo.toml"]) {
        let text = fs::read_to_string(&path).expect("a manifest");
        let dependencies = text.split_once("[dependencies]").map_or("", |(_, rest)| rest);
        for line in
            dependencies.lines().filter(|line| line.contains("version =") || line.contains("= \""))
        {
            let is_target = line.starts_with("name") || line.starts_with("path");
            assert!(
                is_target,
                "{}: `{line}`: versions stand in the workspace table",
                path.display()
            );
        }
    }
}

/// What is declared is used: a version that nobody uses is a version that nobody looks after.
#[test]
fn every_dependency_is_used() {
    let metadata = MetadataCommand::new().current_dir(root()).exec().expect("cargo metadata");
    let mut used_anywhere = BTreeSet::new();
    let mut unused = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
        let code: String = files(folder.as_std_path(), &[".rs"])
            .iter()
            .map(|path| fs::read_to_string(path).expect("a source file"))
            .collect();
        for dependency in &package.dependencies {
            used_anywhere.insert(dependency.name.clone());
            let name = match dependency.name.as_str() {
                "md-5" => "md5".to_owned(),
                name => name.replace('-', "_"),
            };
            if !code.contains(&name) {
                unused.push(format!(
                    "{} declares {} and does not use it",
                    package.name, dependency.name
                ));
            }
        }
    }
    let table = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace's manifest");
    let table: String = table
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .map(|line| format!("{line}\n"))
        .collect();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, _)) = line.split_once(" = ")
            && !used_anywhere.contains(name)
        {
            unused.push(format!("the workspace's table names {name}, which nobody uses"));
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

#[test]
fn fixtures_are_what_their_checksums_say() {
    let folder = root().join("fixtures");
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("fixtures/SHA256SUMS");
    let mut named = BTreeSet::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").expect("sum, two spaces, path");
        let path = folder.join(name.trim_start_matches("./"));
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(hex::encode(Sha256::digest(&bytes)), sum, "{name}");
        named.insert(path);
    }
    let sources = [".rs", ".py", ".md", "SHA256SUMS"];
    let stray: Vec<_> = files(&folder, &[""])
        .into_iter()
        .filter(|path| !named.contains(path))
        .filter(|path| !sources.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .collect();
    assert!(stray.is_empty(), "in no checksum: {stray:?}");
}
