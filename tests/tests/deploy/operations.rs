//! docs/operations.md names commands that there are, and its figures are the README's.

use std::collections::{BTreeMap, BTreeSet};

use crate::{panofleet, read, root};

fn manual() -> String {
    read(&root().join("docs/operations.md"))
}

/// Its sections, as links name them.
pub(crate) fn sections() -> BTreeSet<String> {
    let manual = manual();
    let headings = manual.lines().filter_map(|line| {
        line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
    });
    let slug = |heading: &str| {
        let kept = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -".contains(*c))
            .collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(slug).collect()
}

/// Every command line of it: in text between backquotes, and lines that are set in by four spaces.
fn commands(manual: &str) -> Vec<String> {
    let broken = manual.lines().find(|line| line.matches('`').count() % 2 == 1);
    assert_eq!(broken, None, "what stands between backquotes stays on one line");
    let quoted = manual.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let set_in = manual.lines().filter_map(|line| line.strip_prefix("    "));
    let all = quoted.chain(set_in).map(|line| line.split(" # ").next().unwrap_or(line).trim());
    all.filter(|line| line.starts_with("panofleet ") || line.starts_with("./dev "))
        .map(str::to_owned)
        .collect()
}

fn help(words: &[&str]) -> Option<String> {
    let arguments: Vec<_> = words.iter().copied().chain(["--help"]).collect();
    let output = panofleet(&arguments, &BTreeMap::new());
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn commands_of_the_manual_exist() {
    let commands = commands(&manual());
    let dev = read(&root().join("dev"));
    for line in &commands {
        let words: Vec<_> = line.split_whitespace().collect();
        if words[0] == "./dev" {
            assert!(dev.contains(&format!("./dev {}", words[1])), "there is no `{line}`");
            continue;
        }
        // Options of all commands may come first.
        let mut rest = &words[1..];
        while let ["--config" | "--data" | "--api" | "--set", _, after @ ..] = rest {
            rest = after;
        }
        let mut shown = help(&rest[..1]).unwrap_or_else(|| panic!("there is no `{line}`"));
        if shown.contains("\nCommands:") && rest.len() > 1 {
            shown = help(&rest[..2]).unwrap_or_else(|| panic!("there is no `{line}`"));
        }
        let options = rest.iter().take_while(|word| **word != "--" && **word != "|");
        for option in options.filter(|word| word.starts_with("--")) {
            assert!(shown.contains(option), "`{line}`: there is no {option}");
        }
    }
    assert!(commands.len() >= 25, "only {} commands were recognised", commands.len());
}

#[test]
fn figures_are_the_readmes() {
    let (manual, readme) = (manual(), read(&root().join("README.md")));
    let (_, sizing) = manual.split_once("## Sizing").expect("a section");
    let (sizing, _) = sizing.split_once("\n## ").expect("another section");
    let rows =
        sizing.lines().filter(|line| line.starts_with("| ") && line.contains("`./dev bench"));
    let mut seen = 0;
    for row in rows {
        let figure = row.split(" | ").nth(1).expect("a figure");
        assert!(readme.contains(figure), "the README does not say {figure}");
        seen += 1;
    }
    assert!(seen >= 6);
}
