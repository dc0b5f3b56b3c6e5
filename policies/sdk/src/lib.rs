#![doc = include_str!("../README.md")]
#![no_std]
#![warn(missing_docs)]

extern crate alloc;
// The path by which `#[settings]` names this crate, also in here.
extern crate self as grantd_policy;

mod decision;
mod manifest;
mod pattern;
mod request;
#[doc(hidden)]
pub mod schema;
mod settings;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod wasm;

pub use decision::{Decision, Denial, Permit, RESERVED_CLAIMS};
pub use grantd_policy_macros::settings;
pub use manifest::{Input, Manifest, TimeStep};
pub use pattern::Pattern;
pub use request::{Account, Api, Client, Context, Instant, Json, Request};
pub use schema::Schema;
pub use serde;
pub use serde_json::{self, Map, Value, json};
pub use settings::{parse_settings, validate};

/// What a policy is: what it says of itself, what can be set, and one function.
///
/// A policy is a pure function. It has no clock, no network, no files and no memory of earlier requests, and what it
/// permits is cut to what it was offered: it can lower a grant and never widen it.
pub trait Policy {
    /// What can be set, as JSON: a struct with [`#[settings]`](macro@settings) before it. Its documentation becomes
    /// the schema that people and forms see. [`NoSettings`] where there are none.
    type Settings: serde::de::DeserializeOwned + Schema;

    /// Name, version, and the changing inputs that the policy looks at; see [`manifest!`].
    const MANIFEST: Manifest;

    /// What no type can say of the settings. Asked when they are saved.
    ///
    /// # Errors
    /// What is wrong and what to change: told to the person who saves them.
    fn validate(settings: &Self::Settings) -> Result<(), alloc::string::String> {
        let _ = settings;
        Ok(())
    }

    /// The policy itself. Same request and settings, same answer.
    fn evaluate(request: &Request, settings: &Self::Settings) -> Decision;
}

/// For a policy that has nothing to set: `{}`.
#[settings]
pub struct NoSettings {}

/// Answers a request the way the component does: the settings are read from `request.settings`.
///
/// Settings that do not fit deny with the code `settings-invalid`: grantd has them validated when they are saved, so
/// this is what is left when a newer module meets older settings.
#[must_use]
pub fn evaluate<P: Policy>(request: &Request) -> Decision {
    match settings::parse_settings::<P::Settings>(request.settings.as_str()) {
        Ok(settings) => P::evaluate(request, &settings),
        Err(reason) => Decision::deny("settings-invalid", reason),
    }
}

/// Exports a policy as a component. It does nothing in a build that is not for WebAssembly.
#[macro_export]
macro_rules! export_policy {
    ($policy:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::wasm::Component<$policy>;
    $crate::wasm::export!(Exported with_types_in $crate::wasm);
        };
    };
}
