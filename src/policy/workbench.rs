//! A sandbox without a server, for those who write policies: the same engine, limits and words, and no database.

use std::time::Duration;

use super::abi::{Manifest, Request};
use super::failure::Failure;
use super::sandbox::{Loaded, Run, Sandbox};
use super::{Evaluation, modules};
use crate::clock::Clock;
use crate::config::PoliciesConfig;
use crate::error::Result;
use crate::model::digest::sha256_hex;

/// An engine for modules that come from files.
pub struct Workbench {
    sandbox: Sandbox,
    limits: PoliciesConfig,
}

/// A module on the workbench.
pub struct Specimen {
    /// SHA-256 of its bytes, in lower-case hex.
    pub digest: String,
    /// Its size.
    pub size_bytes: usize,
    /// How long it took to compile.
    pub compiled_in: Duration,
    loaded: Loaded,
}

impl Specimen {
    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.loaded.manifest
    }
}

impl Workbench {
    /// Starts an engine under the limits that a server would have.
    ///
    /// # Errors
    /// `Setup` when it cannot start.
    pub fn new(limits: &PoliciesConfig, clock: &Clock) -> Result<Self> {
        Ok(Self { sandbox: Sandbox::new(limits, clock)?, limits: limits.clone() })
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &PoliciesConfig {
        &self.limits
    }

    /// Looks a module over as an upload does.
    ///
    /// # Errors
    /// Why a server would refuse it.
    pub fn examine(&self, bytes: &[u8]) -> Result<Specimen, Failure> {
        modules::check_size(bytes, &self.limits)?;
        let (_, loaded, compiled_in) = modules::examine(&self.sandbox, bytes)?;
        Ok(Specimen { digest: sha256_hex(bytes), size_bytes: bytes.len(), compiled_in, loaded })
    }

    /// Asks a module whether settings fit; the inner error is the module's own.
    ///
    /// # Errors
    /// How the module failed.
    pub fn validate_settings(&self, specimen: &Specimen, settings: &str) -> Result<Result<(), String>, Failure> {
        self.sandbox.validate_settings(&specimen.loaded, settings)
    }

    /// Asks a module for its decision.
    ///
    /// # Errors
    /// How the module failed.
    pub fn evaluate(&self, specimen: &Specimen, request: &Request, settings: &str) -> Result<Evaluation, Failure> {
        let Run { answer, fuel, elapsed, memory_bytes } = self.sandbox.evaluate(&specimen.loaded, request, settings)?;
        Ok(Evaluation { decision: answer, fuel, elapsed, memory_bytes })
    }
}
