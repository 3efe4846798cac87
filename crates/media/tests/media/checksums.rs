//! The fixtures are those that were made: a file that changes, comes or goes has to be meant.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::fixture;

fn found(folder: &Path, prefix: &str, sums: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
        let source =
            [".rs", ".py", ".md", "SHA256SUMS"].iter().any(|ending| name.ends_with(ending));
        if entry.file_type().unwrap().is_dir() {
            found(&entry.path(), &name, sums);
        } else if !source {
            let sum = hex::encode(Sha256::digest(std::fs::read(entry.path()).unwrap()));
            sums.insert(name, sum);
        }
    }
}

#[test]
fn fixtures_are_the_ones_that_were_made() {
    let list = std::fs::read_to_string(fixture("SHA256SUMS")).unwrap();
    let expected: BTreeMap<String, String> = list
        .lines()
        .map(|line| line.split_once("  ").unwrap())
        .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
        .collect();
    let mut sums = BTreeMap::new();
    found(&fixture(""), ".", &mut sums);
    assert_eq!(sums, expected);
}
