//! Step 4 of the pipeline: where policies will stand. None can be attached yet, so what was offered is decided.

pub mod abi;
mod failure;
mod sandbox;

pub use failure::{Failure, FailureKind};
pub use sandbox::CONTRACT;

use crate::error::Result;
use crate::token::resolve::Resolved;

/// What is left of an offer when every policy has spoken.
#[derive(Debug)]
pub struct Decided {
    /// The token's scopes: each of them was offered.
    pub scopes: Vec<String>,
    /// The token's lifetime: at most what was offered.
    pub lifetime_seconds: i64,
}

/// Asks the policies of the server, the API, the client and the account, in that order.
///
/// # Errors
/// None while there are no policies.
pub fn decide(resolved: &Resolved) -> Result<Decided> {
    Ok(Decided { scopes: resolved.offered.clone(), lifetime_seconds: resolved.lifetime_seconds })
}
