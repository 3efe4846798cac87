//! The README's commands exist, with the options that it gives them.

use std::path::Path;
use std::process::Command;

use panofleet_tests::{processes, root};

#[expect(clippy::disallowed_methods, reason = "the test asks the programs what they know")]
fn help_of(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program starts");
    assert!(output.status.success(), "{} {arguments:?}", program.display());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn readme_commands_exist() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let panofleet = processes::program("panofleet");
    let dev = help_of(&root().join("dev"), &["help"]);
    let mut seen = 0;
    let commands = readme.lines().filter_map(|line| line.strip_prefix("    ")).map(str::trim);
    for line in commands.flat_map(|line| line.split("          ")) {
        let words: Vec<_> = line.split_whitespace().take_while(|word| *word != "#").collect();
        match words.as_slice() {
            ["./dev", command, ..] => {
                assert!(dev.contains(&format!("./dev {command}")), "README names `{line}`");
            }
            [program, command, options @ ..] if program.ends_with("panofleet") => {
                let help = help_of(&panofleet, &[command, "--help"]);
                for option in options.iter().filter(|word| word.starts_with("--")) {
                    assert!(help.contains(option), "README names {option} in `{line}`");
                }
            }
            _ => continue,
        }
        seen += 1;
    }
    assert!(seen >= 10, "only {seen} commands were recognised");
}
