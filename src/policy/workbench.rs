//! A sandbox without a server, for those who write policies: the same engine, limits and words, and no database.

use std::time::Duration;

use super::abi::{Manifest, Request};
use super::failure::Failure;
use super::sandbox::{Imports, Loaded, Sandbox};
use super::shelf::Shelf;
use super::{Evaluation, modules};
use crate::clock::Clock;
use crate::config::PoliciesConfig;
use crate::error::Result;
use crate::model::digest::sha256_hex;

/// An engine for modules that come from files.
pub struct Workbench {
    sandbox: Sandbox,
    limits: PoliciesConfig,
    shelf: Option<Shelf>,
    imports: Imports,
}

/// A module on the workbench.
pub struct Specimen {
    /// SHA-256 of its bytes, in lower-case hex.
    pub digest: String,
    /// Its size.
    pub size_bytes: usize,
    /// How long it took to compile; `None` when it was compiled before and is on the shelf.
    pub compiled_in: Option<Duration>,
    loaded: Loaded,
}

impl Specimen {
    /// What it imports that a server would refuse; nothing on a workbench that refuses it too.
    #[must_use]
    pub fn refused_imports(&self) -> Vec<String> {
        self.loaded.imports()
    }

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
        Ok(Self { sandbox: Sandbox::new(limits, clock)?, limits: limits.clone(), shelf: None, imports: Imports::None })
    }

    /// From now on modules may import WASI, which a server refuses: what they print is kept with each answer and failure,
    /// they see no time, nothing random, no files, and nothing else of it works.
    #[must_use]
    pub fn with_wasi(self) -> Self {
        Self { imports: Imports::Wasi, ..self }
    }

    /// From now on compiled modules are kept on a shelf, and found there.
    #[must_use]
    pub fn with_shelf(self, shelf: Shelf) -> Self {
        Self { shelf: Some(shelf), ..self }
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
        let digest = sha256_hex(bytes);
        let (loaded, compiled_in) = match self.find(&digest) {
            Some(loaded) => (loaded, None),
            None => self.compile(&digest, bytes).map(|(loaded, took)| (loaded, Some(took)))?,
        };
        Ok(Specimen { digest, size_bytes: bytes.len(), compiled_in, loaded })
    }

    /// A module that was compiled before.
    fn find(&self, digest: &str) -> Option<Loaded> {
        let code = self.shelf.as_ref()?.take(&self.engine(), digest)?;
        let component = self.sandbox.revive(&code)?;
        let pre = self.sandbox.link(&component, self.imports).ok()?;
        let manifest = self.sandbox.describe(&pre).ok()?;
        Some(Loaded::new(pre, manifest))
    }

    fn compile(&self, digest: &str, bytes: &[u8]) -> Result<(Loaded, Duration), Failure> {
        let (code, loaded, took) = modules::examine(&self.sandbox, bytes, self.imports)?;
        if let Some(shelf) = &self.shelf {
            shelf.put(&self.engine(), digest, &code);
        }
        Ok((loaded, took))
    }

    /// What a compiled form must be for.
    fn engine(&self) -> String {
        format!("{:016x}, {} MiB", self.sandbox.fingerprint(), self.limits.memory_mib)
    }

    /// Asks a module whether settings fit; the inner error is the module's own.
    ///
    /// # Errors
    /// How the module failed.
    pub fn validate_settings(&self, specimen: &Specimen, settings: &str) -> Result<Result<(), String>, Failure> {
        self.validate_and_listen(specimen, settings).map(|(fits, _)| fits)
    }

    /// The same, with what it printed: only on a workbench that lets it.
    ///
    /// # Errors
    /// How the module failed.
    pub fn validate_and_listen(
        &self,
        specimen: &Specimen,
        settings: &str,
    ) -> Result<(Result<(), String>, String), Failure> {
        let run = self.sandbox.validate_settings(&specimen.loaded, settings)?;
        Ok((run.answer, run.printed))
    }

    /// Asks a module for its decision.
    ///
    /// # Errors
    /// How the module failed.
    pub fn evaluate(&self, specimen: &Specimen, request: &Request, settings: &str) -> Result<Evaluation, Failure> {
        Ok(self.sandbox.evaluate(&specimen.loaded, request, settings)?.into())
    }
}
