//! The command line: the server, and a client for people and scripts.
//!
//! Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 used wrongly. This is the
//! only crate that prints, and beside `server` the only one that names files of the user's.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command line is for")]
#![allow(clippy::disallowed_methods, reason = "the files that the user names are read and written here")]

mod commands;

mod client;
mod download;
mod problem;

mod duration;
mod file_name;
mod object_path;

mod error;
mod output;
mod progress;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Self-hosted signed URLs: hand out a file, or take one in, by a link that carries its own limited permission.
#[derive(Parser)]
#[command(name = "valetkey", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Client commands talk to VALETKEY_URL (default http://127.0.0.1:8080) with the key in VALETKEY_API_KEY.")]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| error.exit());
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error::report(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
