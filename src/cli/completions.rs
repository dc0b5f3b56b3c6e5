//! `grantd completions` and `grantd man`: made from the same definition as the command line itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::{Failure, Outcome, definition, note, say};

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// For which shell
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManArgs {
    /// Write grantd.1, grantd-account.1 and so on into this directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut definition(), "grantd", &mut text);
    print(&text)
}

pub(super) fn man(args: &ManArgs) -> Outcome {
    let Some(directory) = &args.directory else {
        let mut text = Vec::new();
        let rendered = clap_mangen::Man::new(definition()).render(&mut text);
        rendered.map_err(|error| Failure::failed(error.to_string()))?;
        return print(&text);
    };
    let failed = |error: std::io::Error| {
        Failure::failed(format!("{}: manual pages cannot be written: {error}", directory.display()))
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(definition(), directory).map_err(failed)?;
    note(&format!("manual pages are in {}", directory.display()));
    Ok(())
}

fn print(text: &[u8]) -> Outcome {
    say(String::from_utf8_lossy(text).trim_end())?;
    Ok(())
}
