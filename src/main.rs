//! The `grantd` program: parse the command line, run, print what went wrong, and say so in the exit code.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
