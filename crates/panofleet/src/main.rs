//! `panofleet`: every role of the fleet, the client, and the tools. See `panofleet --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;

mod client;
mod commands;
mod config;
mod listening;
mod roles;
mod terminal;
mod top;
mod uploading;

fn main() -> ExitCode {
    let arguments = commands::Arguments::parse();
    match commands::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&error);
            ExitCode::from(commands::EXIT_TROUBLE)
        }
    }
}
