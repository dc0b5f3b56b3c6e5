//! `grantd login`: keeps a server's address and an API token in a profile, after trying them.

use std::io::{IsTerminal, Read};

use clap::Args;
use grantd::secret::Secret;

use super::remote::profile::{self, Profile};
use super::remote::{Remote, RemoteArgs, reach};
use super::{Failure, Outcome, Settings, note};

/// Longer than any token.
const TOKEN_BYTES_MAX: u64 = 16 * 1024;

/// The token is read from the terminal without showing it, or from standard input, or from GRANTD_TOKEN.
#[derive(Args)]
pub(super) struct LoginArgs {
    #[command(flatten)]
    remote: RemoteArgs,
}

pub(super) fn run(settings: &Settings, args: &LoginArgs) -> Outcome {
    let missing = || Failure::Usage("name the server with --server URL".to_owned());
    let server = reach::trimmed(args.remote.server.as_deref().ok_or_else(missing)?).to_owned();
    reach::check(&server)?;
    let token = match &args.remote.token {
        Some(token) => token.clone(),
        None => read_token(&server)?,
    };
    reach::check_token(&token)?;
    let ca_file = args.remote.ca_file.as_deref().map(std::path::absolute).transpose();
    let ca_file = ca_file.map_err(|error| Failure::failed(format!("--ca-file: {error}")))?;
    let given = RemoteArgs { token: Some(token.clone()), profile: None, ..args.remote.clone() };
    // Whether it lets anybody in shows best by trying.
    Remote::connect(settings, &given)?.get("/keys", &[])?;
    let name = args.remote.profile.as_deref().unwrap_or(profile::DEFAULT);
    let path = profile::path()?;
    profile::write(&path, name, &Profile { server: server.clone(), token: Secret::new(token), ca_file })?;
    note(&format!("{server} lets you in: kept as profile {name} in {}", path.display()));
    Ok(())
}

fn read_token(server: &str) -> Outcome<String> {
    let failed = |error: std::io::Error| Failure::failed(format!("the API token cannot be read: {error}"));
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        note(&format!("API token for {server} (it is not shown):"));
        text = console::Term::stderr().read_secure_line().map_err(failed)?;
    } else {
        std::io::stdin().take(TOKEN_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    }
    Ok(text.trim().to_owned())
}
