//! grantd: OAuth 2.0 access tokens for machines, out of one binary and one SQLite file.
//!
//! # Code tour
//! A token request, in reading order, from the socket to the signature:
//! 1. [`run`] in `http.rs`: the listener, the table of routes; `http/server.rs`: the workers and their connections, which
//!    `http/http_1.rs` serves, and `http/secure.rs` over TLS.
//! 2. `http/oauth.rs`: a form (`http/body.rs`, `http/form.rs`) and a header (`http/basic.rs`) become one
//!    [`token::request::TokenRequest`]; `http/context.rs` says who calls, and numbers the request.
//! 3. [`token::issue`]: the numbered pipeline. `token/client_auth.rs` finds out who asks, `token/resolve.rs` what
//!    is granted, [`policy`] what is left of it, `token/claims.rs` what the token says.
//! 4. `policy/chain.rs`: the policies of a request, one after another; `policy/sandbox.rs`: where they run.
//! 5. `signer.rs`: keys, signatures, the JWKS, rotation.
//! 6. `decision/recorder.rs`: the record of it all, written behind the request.
//! 7. `store/client.rs`: the one hot read, and the cache over it; below it `store/local.rs`, the engine on SQLite.
//!
//! An admin write: `http/admin/controller.rs` -> `admin.rs` -> `store/entity.rs` -> `store/audit.rs`.
//! The words are in `model/`, the tables in `schema.sql`, all wiring in `app.rs`.
//!
//! # Invariants
//! - Grants are the ceiling: nothing in a request, and no policy, widens what was granted. Failure denies.
//! - No secret is stored or logged in clear, or compared in variable time; a secret is shown once.
//! - A write is answered after the commit that holds it is on the disk, and the next request sees it.
//!   Issuing a token writes no token: what is kept of it is the decision that explains it.
//! - HTTP holds no decisions; `token`, `policy`, `signer` and `store` name no HTTP type.
//! - SQL lives in `schema.sql` and `store/`; time, and the randomness of ids and secrets, in `clock.rs`; private keys in
//!   `signer/`. Keys, nonces and signatures draw theirs inside the cryptographic library.
//! - Arrows point down: http -> token, admin -> signer, policy -> store -> model. `decision` is the one thing that all write
//!   into; the store keeps it.
//!
//! # Embedding
//! ```no_run
//! # async fn embed() -> grantd::Result<()> {
//! let app = grantd::App::open(grantd::Config { database: "app.db".into(), ..Default::default() })?;
//! let listener = grantd::Listener::bind(app.config())?;
//! grantd::run(app, listener, std::future::pending::<()>()).await
//! # }
//! ```

mod address;
mod admin;
mod app;
pub mod apply;
pub mod backup;
mod certificate;
pub mod clock;
pub mod config;
pub mod decision;
pub mod dev;
pub mod doctor;
mod error;
mod exact;
pub mod files;
pub mod filter;
mod forwarded;
#[cfg(fuzzing)]
pub mod fuzz;
mod http;
pub mod introspection;
mod json;
pub mod model;
pub mod patch;
pub mod policy;
pub mod secret;
pub mod signer;
pub mod store;
mod throttle;
pub mod token;
mod usage;

pub use app::{App, Missing};
pub use config::Config;
pub use error::{Error, OAuthCode, Result, Violation};
pub use http::{Listener, run};
