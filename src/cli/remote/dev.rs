//! What a `grantd dev` leaves for the commands of its directory: the API token of its sample, which follows from the
//! master key, and beside the database the addresses that it was last reached at.
//!
//! The token goes to those addresses alone, while a grantd uses the database. Whatever else listens on this machine may be
//! anybody's; and without them, no `dev` has ever made a token on that database.

use std::io::ErrorKind;
use std::path::Path;

use grantd::config::ListenAddress;
use grantd::secret::{Secret, ServerKeys, master};
use grantd::store::is_in_use;
use grantd::{Config, Error, Result, files};

use super::{address_of, no_token, own_address, reach};
use crate::cli::{Failure, Outcome};

/// What the name of the file with the addresses ends with, after all of the database's.
const FILE_END: &str = "-dev";

/// Notes where the `dev` of this configuration is reached, listening there; nowhere, where its token `is_gone`.
///
/// # Errors
/// `Setup` when the file cannot be written.
pub(in crate::cli) fn leave(config: &Config, listening: &ListenAddress, is_gone: bool) -> Result<()> {
    let path = files::beside(&config.database, FILE_END);
    let left = if is_gone {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    } else {
        files::write_private(&path, (addresses(config, listening).join("\n") + "\n").as_bytes())
    };
    left.map_err(|error| Error::Setup(format!("{} cannot be written: {error}", path.display())))
}

/// Every address on this machine at which a server of this configuration is reached that listens there.
fn addresses(config: &Config, listening: &ListenAddress) -> Vec<String> {
    let direct = address_of(listening);
    let all = match listening {
        ListenAddress::Unix(_) => vec![direct],
        ListenAddress::Tcp(_) => {
            let direct = if config.tls.is_on() { direct.replacen("http://", "https://", 1) } else { direct };
            let others = config.issuer_aliases.iter().cloned();
            [direct, config.public_url(listening)].into_iter().chain(others).collect()
        }
    };
    all.iter().filter(|address| reach::is_here(address)).map(|address| reach::compared(address)).collect()
}

/// The API token that the `dev` of this database made, for `server`.
///
/// # Errors
/// `Denied` where it is not for that server, or was never made; as [`check_runs`].
pub(super) fn token(config: &Config, server: &str) -> Outcome<(Secret, String)> {
    if !was_at(&config.database, server) {
        return Err(no_token(server));
    }
    check_runs(config, server)?;
    let source = master::source(config.master_key_file.as_deref(), &config.database);
    let master = master::read(&source)?.ok_or_else(|| no_token(server))?;
    let token = grantd::dev::api_token_of(&ServerKeys::derive(&master)?);
    Ok((token, format!("`grantd dev` on {}", config.database.display())))
}

/// What `dev` made goes to `server` while a grantd uses the database: afterwards anybody may listen where that was.
///
/// # Errors
/// `Failed` while none does.
pub(in crate::cli) fn check_runs(config: &Config, server: &str) -> Outcome {
    if is_in_use(&config.database) {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{server} is not asked with what `grantd dev` made: no grantd uses {} now, and whoever listens there may be \
         anybody; is the server running? `grantd dev` starts it again",
        config.database.display()
    )))
}

/// Whether `server` is where the `dev` of this configuration is reached, or was last: what the sample's client is for.
///
/// # Errors
/// As [`Config::listen_address`].
pub(in crate::cli) fn is_its(config: &Config, server: &str) -> Result<bool> {
    let own = own_address(config)?;
    Ok(was_at(&config.database, server) || (reach::is_here(server) && reach::compared(server) == reach::compared(&own)))
}

/// Whether the `dev` of this database was last reached there.
fn was_at(database: &Path, server: &str) -> bool {
    let left = std::fs::read_to_string(files::beside(database, FILE_END)).unwrap_or_default();
    let server_here = reach::is_here(server).then(|| reach::compared(server));
    server_here.is_some_and(|address| left.lines().any(|line| line == address))
}
