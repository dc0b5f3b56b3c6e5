//! The `grantd` program: parse the command line, run, print what went wrong, and say so in the exit code.

mod cli;

use std::process::ExitCode;

/// A token makes some hundred small allocations, and its record is freed by another thread: with the C library's
/// allocator a token costs 12 % more on a quiet machine. Without huge pages, which take 12 MiB more than is used.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
