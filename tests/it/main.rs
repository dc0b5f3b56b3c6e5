//! The integration tests: one binary, through the real router and the real program.
#![allow(missing_docs, unreachable_pub, reason = "an integration test is a crate that nobody else sees")]
#![allow(clippy::too_many_lines, reason = "a table of cases is long, not deep")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must panic")]

mod app;
mod program;
mod shell;

mod admin;
mod apply;
mod authz;
mod backup;
mod browser;
mod cli;
mod console;
mod crowd;
mod decisions;
mod dev;
mod doctor;
mod growth;
mod http2;
mod hygiene;
mod introspection;
mod issuers;
mod keys;
mod metrics;
mod migration;
mod openapi;
mod policies;
mod policy;
mod process;
mod readme;
mod revocation;
mod scim;
mod startup;
mod throttle;
mod tls;
mod token;
mod token_input;
