//! Settings: from JSON text to a policy's struct, with errors that say where.

use alloc::format;
use alloc::string::{String, ToString};

use serde::de::DeserializeOwned;

use crate::Policy;

/// Reads settings.
///
/// # Errors
/// Where it is wrong, as a path, and what was expected there: `windows[1].from: expected a time such as 09:30`.
pub fn parse_settings<S: DeserializeOwned>(text: &str) -> Result<S, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let settings = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if path == "." { format!("settings: {inner}") } else { format!("settings.{path}: {inner}") }
    })?;
    json.end().map_err(|error| format!("settings: {error}"))?;
    Ok(settings)
}

/// Reads settings and asks the policy about them, as `validate-settings` does.
///
/// # Errors
/// What is wrong, where, and what to change.
pub fn validate<P: Policy>(text: &str) -> Result<(), String> {
    P::validate(&parse_settings::<P::Settings>(text)?)
}
