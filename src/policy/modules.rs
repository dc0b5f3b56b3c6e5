//! Modules: admitted once, kept by digest, compiled once for this engine, loaded when they are first needed.
//!
//! The compiled form lies in grantd's own database under a seal of the server's key; one that is missing, of another
//! engine or was touched is made anew out of the module's bytes, which their digest proves. Nobody hands one in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use quick_cache::sync::Cache;

use super::abi::Manifest;
use super::failure::{Failure, FailureKind};
use super::sandbox::{Imports, Loaded, Sandbox};
use super::trust::{Trust, stored_bytes};
use crate::clock::Clock;
use crate::config::PoliciesConfig;
use crate::error::{Error, Result, Violation};
use crate::model::digest::sha256_hex;
use crate::secret::{Hash, ServerKeys, hashes_equal};
use crate::store::{Store, StoredArtifact};

/// The engine's line, which refuses compiled forms of another one itself; those of another grantd may be of an older
/// release of it, and are made anew.
const ENGINE: &str = concat!("wasmtime 48, grantd ", env!("CARGO_PKG_VERSION"));

/// A module that was found fit to be kept.
#[derive(Debug)]
pub struct Admitted {
    /// SHA-256 of its bytes, in lower-case hex: its name for good.
    pub digest: String,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Its size.
    pub size_bytes: usize,
    /// How long it took to compile.
    pub compiled_in: Duration,
    /// The engine that it was compiled for.
    pub engine: String,
    /// Its compiled form, sealed by the server's key.
    pub artifact: StoredArtifact,
}

/// A module by its digest, with its signature.
type Signed = (String, Option<Vec<u8>>);

/// The modules of one server.
pub(super) struct Modules {
    store: Arc<Store>,
    keys: Arc<ServerKeys>,
    clock: Clock,
    engine: String,
    limits: PoliciesConfig,
    trust: Trust,
    /// Whether a module with this signature may be run, so that no request waits for megabytes to be hashed again.
    judged: Cache<Signed, Result<(), Failure>>,
    /// By digest. A refusal is remembered too: the bytes will not get better.
    loaded: Cache<String, Result<Arc<Loaded>, Failure>>,
    /// Compiling takes a core and much memory: one at a time.
    compiling: Mutex<()>,
}

impl Modules {
    pub(super) fn new(store: Arc<Store>, keys: Arc<ServerKeys>, clock: Clock, limits: &PoliciesConfig) -> Self {
        let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
        Self {
            store,
            keys,
            clock,
            engine: format!("{ENGINE}, {arch}-{os}, {} MiB", limits.memory_mib),
            limits: limits.clone(),
            // A configuration with a key that is none is refused before; if it were not, nobody would be trusted.
            trust: Trust::parse(&limits.trusted_keys).unwrap_or_else(|_| Trust::Signers(Vec::new())),
            judged: Cache::new(limits.modules_loaded),
            loaded: Cache::new(limits.modules_loaded),
            compiling: Mutex::new(()),
        }
    }

    /// What compiled forms must be made for.
    pub(super) fn engine(&self) -> &str {
        &self.engine
    }

    /// Looks a module over: size, signature, form, contract, manifest. Nothing is stored.
    pub(super) fn admit(&self, sandbox: &Sandbox, bytes: &[u8], signature: Option<&[u8]>) -> Result<Admitted> {
        let digest = sha256_hex(bytes);
        let refuse = |failure: &Failure| refusal(&digest, failure);
        check_size(bytes, &self.limits).map_err(|failure| refuse(&failure))?;
        self.check_signature(bytes, signature)?;
        let turn = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        let made = self.make(sandbox, &digest, bytes, &turn);
        let (loaded, artifact, compiled_in) = made.map_err(|failure| refuse(&failure))?;
        let manifest = loaded.manifest.clone();
        self.loaded.insert(digest.clone(), Ok(Arc::new(loaded)));
        let engine = self.engine.clone();
        Ok(Admitted { digest, manifest, size_bytes: bytes.len(), compiled_in, engine, artifact })
    }

    /// The module if it is loaded, without touching the database.
    pub(super) fn at_hand(&self, digest: &str) -> Option<Result<Arc<Loaded>, Failure>> {
        self.loaded.get(digest)
    }

    /// The module, loaded now if it must be. Takes some 0.3 ms then, and far more where it has to be compiled.
    pub(super) fn load(&self, sandbox: &Sandbox, digest: &str) -> Result<Arc<Loaded>, Failure> {
        if let Some(known) = self.at_hand(digest) {
            return known;
        }
        self.check_trust(digest)?;
        let loaded = match self.revive(sandbox, digest)? {
            Some(loaded) => Ok(Arc::new(loaded)),
            None => self.remake(sandbox, digest, false).map(Arc::new),
        };
        if !loaded.as_ref().is_err_and(|failure| failure.kind != FailureKind::Refused) {
            self.loaded.insert(digest.to_owned(), loaded.clone());
        }
        loaded
    }

    /// Compiles a stored module for this engine if that was not done; answers whether it was.
    pub(super) fn prepare(&self, sandbox: &Sandbox, digest: &str) -> Result<bool, Failure> {
        self.check_trust(digest)?;
        if self.revive(sandbox, digest)?.is_some() {
            return Ok(false);
        }
        self.remake(sandbox, digest, true).map(|_| true)
    }

    /// Whether a module with this signature may be run here.
    pub(super) fn check_signature(&self, bytes: &[u8], signature: Option<&[u8]>) -> Result<()> {
        let checked = self.trust.check(bytes, signature);
        checked.map_err(|failure| refusal(&sha256_hex(bytes), &failure))
    }

    /// Whether modules have to be signed.
    pub(super) fn are_signed(&self) -> bool {
        self.trust.is_demanded()
    }

    /// The modules in use that may not be run.
    pub(super) fn untrusted(&self) -> Result<Vec<(String, Failure)>> {
        if !self.trust.is_demanded() {
            return Ok(Vec::new());
        }
        let in_use = self.store.policy_modules_in_use()?;
        Ok(in_use.into_iter().filter_map(|digest| Some((digest.clone(), self.check_trust(&digest).err()?))).collect())
    }

    /// Before anything of a stored module is used: its bytes, which its digest proves, are signed by a key that is trusted
    /// now. Nothing that is kept beside them, compiled forms too, can stand in for that.
    fn check_trust(&self, digest: &str) -> Result<(), Failure> {
        if !self.trust.is_demanded() {
            return Ok(());
        }
        let signature = self.store.policy_signature(digest).map_err(|error| Failure::unreadable(&error))?;
        let key = (digest.to_owned(), signature);
        if let Some(verdict) = self.judged.get(&key) {
            return verdict;
        }
        let verdict = self.trust.check_stored(&self.store, digest, key.1.as_deref());
        // What is not there, or not what it should be, may be mended.
        if !verdict.as_ref().is_err_and(|failure| failure.kind != FailureKind::Refused) {
            self.judged.insert(key, verdict.clone());
        }
        verdict
    }

    /// Out of the compiled form in the database; `None` when there is none that can be trusted and used.
    fn revive(&self, sandbox: &Sandbox, digest: &str) -> Result<Option<Loaded>, Failure> {
        let Some(kept) =
            self.store.policy_artifact(digest, &self.engine).map_err(|error| Failure::unreadable(&error))?
        else {
            return Ok(None);
        };
        if !hashes_equal(&kept.mac, &self.mac(digest, &kept.artifact)) {
            tracing::error!(
                digest,
                "the compiled form of a policy module was changed in the database: it is made anew"
            );
            return Ok(None);
        }
        let Some(component) = sandbox.revive(&kept.artifact) else { return Ok(None) };
        let pre = sandbox.link(&component, Imports::None)?;
        let manifest = self.check_manifest(digest, sandbox.describe(&pre)?)?;
        Ok(Some(Loaded::new(pre, manifest)))
    }

    /// What the module says of itself, which is what it said when it was admitted.
    fn check_manifest(&self, digest: &str, said: Manifest) -> Result<Manifest, Failure> {
        let row = self.store.policy_module_by_digest(digest).map_err(|error| Failure::unreadable(&error))?;
        let row = row.ok_or_else(|| Failure::unavailable("the module is not in the database any more".to_owned()))?;
        let admitted: Manifest = serde_json::from_value(serde_json::Value::Object(row.manifest))
            .map_err(|error| Failure::unavailable(format!("its stored manifest cannot be read: {error}")))?;
        if admitted != said {
            return Err(Failure::refused("it describes itself otherwise than when it was admitted".to_owned()));
        }
        Ok(said)
    }

    /// Out of the module's bytes in the database; what was compiled is kept for the next time. Unless it may `wait`,
    /// a request does not queue behind another compilation.
    fn remake(&self, sandbox: &Sandbox, digest: &str, wait: bool) -> Result<Loaded, Failure> {
        let turn = if wait {
            self.compiling.lock().unwrap_or_else(PoisonError::into_inner)
        } else {
            match self.compiling.try_lock() {
                Ok(turn) => turn,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    let what = "it is being compiled for this server, or waits for that".to_owned();
                    return Err(Failure { kind: FailureKind::Busy, ..Failure::unavailable(what) });
                }
            }
        };
        let bytes = stored_bytes(&self.store, digest)?;
        let (loaded, artifact, compiled_in) = self.make(sandbox, digest, &bytes, &turn)?;
        let loaded = Loaded::new(loaded.pre, self.check_manifest(digest, loaded.manifest)?);
        tracing::info!(digest, ms = compiled_in.as_millis(), "a policy module was compiled for this engine");
        if let Err(error) = self.store.policy_artifact_upsert(digest, &self.engine, &artifact, self.clock.now()) {
            tracing::warn!(digest, "a compiled policy module cannot be kept, and will be compiled again: {error}");
        }
        Ok(loaded)
    }

    /// Out of a module's bytes: what can be called, and what is kept of it.
    fn make(
        &self,
        sandbox: &Sandbox,
        digest: &str,
        bytes: &[u8],
        _turn: &MutexGuard<'_, ()>,
    ) -> Result<(Loaded, StoredArtifact, Duration), Failure> {
        let (code, loaded, compiled_in) = examine(sandbox, bytes, Imports::None)?;
        let mac = self.mac(digest, &code).to_vec();
        Ok((loaded, StoredArtifact { artifact: code, mac }, compiled_in))
    }

    fn mac(&self, digest: &str, code: &[u8]) -> Hash {
        self.keys.artifact_mac(&[self.engine.as_bytes(), digest.as_bytes(), code])
    }
}

fn refusal(digest: &str, failure: &Failure) -> Error {
    if failure.kind == FailureKind::Busy {
        return Error::Unavailable {
            detail: "there is no room to look the module over at this moment: try again".to_owned(),
            cause: failure.to_string(),
        };
    }
    let message = format!("the module {} is refused: {failure}", &digest[..12]);
    Error::Invalid(vec![Violation::new("", serde_json::Value::Null, message)])
}

/// Refuses what is too large to be compiled.
pub(super) fn check_size(bytes: &[u8], limits: &PoliciesConfig) -> Result<(), Failure> {
    let most = limits.module_kib as usize * 1024;
    if bytes.len() > most {
        let what = format!("it has {} bytes, and may have {most} (policies.module_kib)", bytes.len());
        return Err(Failure::refused(what));
    }
    Ok(())
}

/// Compiles a module, links it and asks what it is, twice over, since a policy says the same every time. The bytes that
/// come out are its compiled form.
#[cfg(feature = "compiler")]
pub(super) fn examine(
    sandbox: &Sandbox,
    bytes: &[u8],
    may_have: Imports,
) -> Result<(Vec<u8>, Loaded, Duration), Failure> {
    let (component, compiled_in) = sandbox.compile(bytes)?;
    let pre = sandbox.link(&component, may_have)?;
    let manifest = sandbox.describe(&pre)?;
    if sandbox.describe(&pre)? != manifest {
        return Err(Failure::output("describe", "it describes itself otherwise each time".to_owned()));
    }
    Ok((Sandbox::freeze(&component)?, Loaded::new(pre, manifest), compiled_in))
}

/// This build has no compiler.
#[cfg(not(feature = "compiler"))]
pub(super) fn examine(_: &Sandbox, _: &[u8], _: Imports) -> Result<(Vec<u8>, Loaded, Duration), Failure> {
    Err(Failure::unavailable(
        "it is not compiled for this engine, and this grantd has no compiler: run `grantd policy precompile` on this \
         database with one that has"
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use crate::clock::{Clock, Timestamp};
    use crate::config::Config;
    use crate::{App, Missing};

    const SCOPE_ALLOWLIST: &[u8] = include_bytes!("../../policies/scope-allowlist/policy.wasm");

    fn app() -> (tempfile::TempDir, App) {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { database: dir.path().join("a.db"), ..Config::default() };
        let app = App::open_with(config, Clock::manual(Timestamp::from_ms(0), 1), Missing::Create).unwrap();
        (dir, app)
    }

    #[test]
    fn a_module_is_admitted_for_what_it_is() {
        let (_dir, app) = app();
        let admitted = app.policies.admit(SCOPE_ALLOWLIST, None).unwrap();
        assert_eq!(admitted.manifest.name, "scope-allowlist");
        assert_eq!(admitted.digest.len(), 64);
        let again = app.policies.admit(SCOPE_ALLOWLIST, None).unwrap();
        assert_eq!((again.digest, again.artifact.mac), (admitted.digest, admitted.artifact.mac));
    }
}
