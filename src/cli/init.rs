//! `grantd init`: a database, its master key, and the first admin API token.

use std::io::Write;

use grantd::clock::Clock;
use grantd::secret::Secret;
use grantd::store::{Store, StoreLimits};
use grantd::{App, Config, Error, Missing};

use super::{Outcome, Settings};

/// The token goes to standard output, alone, so that a script can take it; what it is goes to standard error.
pub(super) fn run(settings: &Settings) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    if is_finished(&config)? {
        return Err(Error::Setup(format!(
            "{} exists already; start it with `grantd serve`, or choose another file with --database",
            config.database.display()
        ))
        .into());
    }
    let app = App::open_with(config, Clock::system(), Missing::Create)?;
    let token = app.first_api_token()?;
    tell(&app, &token).map_err(|error| take_back(&app, &token, &error))?;
    Ok(())
}

/// Unlike elsewhere, a reader that went away is an error: nobody will ever see this token again.
fn tell(app: &App, token: &Secret) -> std::io::Result<()> {
    writeln!(
        std::io::stderr(),
        "database    {}\nmaster key  {} (back it up: without it the database opens for nobody)\n\
         The admin API token below is shown this once. Next: grantd serve",
        app.config().database.display(),
        app.master_key_source(),
    )?;
    let mut output = std::io::stdout();
    writeln!(output, "{}", token.expose())?;
    output.flush()
}

/// Ends the token that could not be printed: one that nobody knows must not count as one that somebody can administer
/// with, or there would never be another.
fn take_back(app: &App, token: &Secret, unprinted: &std::io::Error) -> Error {
    let what = format!("the token could not be printed ({unprinted})");
    let Err(error) = app.end_unseen_api_token(token) else {
        return Error::Setup(format!("{what} and was ended again; run `grantd init` again where it can be"));
    };
    let database = app.config().database.display();
    // Only what this very run made holds nothing that anybody could miss.
    let way_out = if app.is_new() {
        format!("delete {database}, which was made just now, and run `grantd init` again")
    } else {
        format!("while it is in {database}, `grantd init` makes no other: restore a backup")
    };
    Error::Setup(format!("{what}, nor ended again ({}); {way_out}", error.for_operator()))
}

/// Whether there is a database that somebody can administer. One without is an `init` that was cut short, or the last admin API
/// token is gone: whoever may write the file gets another.
fn is_finished(config: &Config) -> Result<bool, Error> {
    if !std::fs::metadata(&config.database).is_ok_and(|meta| meta.len() > 0) {
        return Ok(false);
    }
    let limits = StoreLimits { clients_cached: 1, page_cache_kib: config.limits.page_cache_kib };
    let (store, _) = Store::open(&config.database, false, limits)?;
    store.admin_token_exists(Clock::system().now())
}
