//! `grantd doctor`: looks a database and its surroundings over, beside a running server too, and says what to do
//! for each finding. What is looked at is in the library; here it is asked over the network, and printed.

mod issuer;

use std::path::PathBuf;

use clap::Args;
use grantd::clock::Clock;
use grantd::doctor::{self, Finding, Level};
use grantd::{Error, Result};

use super::remote::reach;
use super::{Outcome, Settings, say};

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Certificates (PEM) that the server's must lead to, instead of the public authorities
    #[arg(long, env = "GRANTD_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) fn run(settings: &Settings, args: &DoctorArgs) -> Outcome {
    let config = settings.load(figment::value::Dict::new())?;
    let clock = Clock::system();
    say(&config.database.display().to_string())?;
    let mut report = doctor::examine(&config, &clock);
    issuer::check(&mut report, &config, &clock, &reach::url_agent(issuer::TIMEOUT, args.ca_file.as_deref())?);
    report.findings.iter().try_for_each(print)?;
    match report.problems() {
        0 => Ok(()),
        1 => Err(Error::Setup("1 problem found".to_owned()).into()),
        several => Err(Error::Setup(format!("{several} problems found")).into()),
    }
}

fn print(finding: &Finding) -> Result<()> {
    let Finding { level, what, way_out } = finding;
    let word = match level {
        Level::Fine => "ok",
        Level::Soon => "soon",
        Level::Problem => "PROBLEM",
    };
    let second = if way_out.is_empty() { String::new() } else { format!("\n           {way_out}") };
    say(&format!("  {word:<8} {what}{second}"))
}
