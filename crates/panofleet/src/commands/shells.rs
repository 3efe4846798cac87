//! `panofleet completions`, `panofleet man`: what shells and manuals want to know of the commands.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Arguments;
use crate::terminal::say;

/// Print what a shell completes the commands with
#[derive(Debug, Args)]
#[command(after_help = "For the shell at hand, until it ends:
  source <(panofleet completions bash)")]
pub(crate) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "panofleet", &mut script);
        // A reader that has had enough is no trouble.
        let written = std::io::stdout().lock().write_all(&script);
        drop(written);
        Ok(ExitCode::SUCCESS)
    }
}

/// Write manual pages: one for each command
#[derive(Debug, Args)]
#[command(after_help = "To read one:
  panofleet man /tmp/man && man /tmp/man/panofleet-submit.1")]
pub(crate) struct Man {
    /// The folder to write to; it is made if there is none
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let shown = self.folder.display();
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {shown}"))?;
        clap_mangen::generate_to(Arguments::command(), &self.folder)
            .with_context(|| format!("cannot write to {shown}"))?;
        say(format!("manual pages are in {shown}"));
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_told_of_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "panofleet", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in ["submit", "dead-letters", "webhooks"] {
                assert!(script.contains(command), "{shell}: {command}");
            }
        }
    }

    #[test]
    fn each_command_has_a_manual_page() {
        let folder = tempfile::tempdir().unwrap();
        Man { folder: folder.path().join("man") }.run().unwrap();
        let page = std::fs::read_to_string(folder.path().join("man/panofleet-submit.1")).unwrap();
        assert!(page.contains("idempotency"), "{page}");
    }
}
