//! The integration tests: one binary, through the real router and the real program.
#![expect(unreachable_pub, reason = "an integration test is a crate that nobody else sees")]

mod app;

mod admin;
mod authz;
mod keys;
mod process;
mod store;
mod token;
mod token_input;
