//! `grantd init`: a database, its master key, and the first admin API token.

use std::io::Write;

use grantd::clock::Clock;
use grantd::{App, Error, Missing};

use super::{Outcome, Settings, say};

/// The token goes to standard output, alone, so that a script can take it; what it is goes to standard error.
pub(super) fn run(settings: &Settings) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    if std::fs::metadata(&config.database).is_ok_and(|meta| meta.len() > 0) {
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
    say(token.expose())?;
    Ok(())
}
