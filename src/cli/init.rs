//! `grantd init`: a database, its master key, and the first admin API token.

use std::io::Write;

use grantd::clock::Clock;
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
    let told = writeln!(
        std::io::stderr(),
        "database    {}\nmaster key  {} (back it up: without it the database opens for nobody)\n\
         The admin API token below is shown this once. Next: grantd serve",
        app.config().database.display(),
        app.master_key_source(),
    );
    told.map_err(|error| Error::Setup(format!("standard error cannot be written: {error}")))?;
    // Unlike elsewhere, a reader that went away is an error: nobody will ever see this token again.
    writeln!(std::io::stdout(), "{}", token.expose()).map_err(|error| {
        Error::Setup(format!(
            "the token could not be printed ({error}): delete {} and run this again",
            app.config().database.display()
        ))
    })?;
    Ok(())
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
