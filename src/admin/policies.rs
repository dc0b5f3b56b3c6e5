//! The admin operations of policy modules, and the question whether settings fit a module.

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use crate::app::App;
use crate::error::{Error, Result, Violation};
use crate::model::digest::sha256_hex;
use crate::policy::abi::TEXT_CHARS_MAX;
use crate::policy::{Failure, FailureKind};
use crate::store::{Entity, ModuleRow, Origin, Page, Query};

/// A module that was handed in.
pub(crate) struct Uploaded {
    /// Whether it is new here.
    pub(crate) is_new: bool,
    /// The module as it is kept, and what its author should know.
    pub(crate) shown: Map<String, Value>,
}

/// Takes a module in: looks it over, compiles it, keeps it. The same bytes again change nothing, but for a signature that
/// is new. Blocks, up to seconds.
pub(crate) fn module_upload(app: &App, bytes: &[u8], signature: Option<&[u8]>, origin: &Origin) -> Result<Uploaded> {
    if let Some(known) = app.store.policy_module_by_digest(&sha256_hex(bytes))? {
        return module_again(app, known, bytes, signature, origin);
    }
    let admitted = app.policies.admit(bytes, signature)?;
    let manifest = serde_json::to_value(&admitted.manifest)
        .map_err(|error| Error::Internal(format!("a manifest cannot be written: {error}")))?;
    let module = ModuleRow {
        digest: admitted.digest,
        name: admitted.manifest.name,
        version: admitted.manifest.version,
        manifest: manifest.as_object().cloned().unwrap_or_default(),
        size: i64::try_from(admitted.size_bytes).unwrap_or(i64::MAX),
        created_at: app.clock.now(),
        policies: 0,
        signature: signature.map(<[u8]>::to_vec),
    };
    let compiled = (admitted.engine.as_str(), &admitted.artifact);
    app.store.policy_module_insert(&module, bytes, compiled, &app.clock, origin)?;
    let mut shown = shown(app, &module)?;
    shown.insert("compiledInMs".to_owned(), json!(u64::try_from(admitted.compiled_in.as_millis()).ok()));
    Ok(Uploaded { is_new: true, shown })
}

/// A module that is there already: it may come with another signature, and it must be fit to be run.
fn module_again(
    app: &App,
    known: ModuleRow,
    bytes: &[u8],
    signature: Option<&[u8]>,
    origin: &Origin,
) -> Result<Uploaded> {
    app.policies.check_signature(bytes, signature.or(known.signature.as_deref()))?;
    let mut known = known;
    if let Some(signature) = signature.filter(|signature| known.signature.as_deref() != Some(signature)) {
        app.store.policy_signature_upsert(&known, signature, &app.clock, origin)?;
        known.signature = Some(signature.to_vec());
    }
    Ok(Uploaded { is_new: false, shown: shown(app, &known)? })
}

/// One page of modules.
pub(crate) fn module_list(app: &App, query: &Query) -> Result<Page<ModuleRow>> {
    app.store.policy_module_list(query)
}

/// A module, named by its digest or the beginning of it, its name, or `name@version`.
pub(crate) fn module_read(app: &App, named: &str) -> Result<ModuleRow> {
    app.store.policy_module_named(named)?.map_err(Error::NotFound)
}

/// A module as the admin API shows it, alone.
pub(crate) fn module_show(app: &App, named: &str) -> Result<Map<String, Value>> {
    shown(app, &module_read(app, named)?)
}

/// A module and its bytes.
pub(crate) fn module_wasm(app: &App, named: &str) -> Result<(ModuleRow, Vec<u8>)> {
    let module = module_read(app, named)?;
    let wasm = app.store.policy_module_wasm(&module.digest)?;
    let wasm = wasm.ok_or_else(|| Error::NotFound("this module was deleted a moment ago".to_owned()))?;
    Ok((module, wasm))
}

/// Why a module cannot be used, if it cannot: what it is attached to denies then.
pub(crate) fn module_failure(app: &App, digest: &str) -> Option<Failure> {
    app.policies.manifest(digest).err()
}

/// Deletes a module that no policy uses.
pub(crate) fn module_delete(app: &App, named: &str, origin: &Origin) -> Result<()> {
    app.store.policy_module_delete(&module_read(app, named)?, &app.clock, origin)
}

fn shown(app: &App, module: &ModuleRow) -> Result<Map<String, Value>> {
    let mut shown = module.to_json();
    let namesakes = app.store.policy_module_namesakes(module)?;
    if !namesakes.is_empty() {
        // Told, not refused: what counts is the digest. But a name alone no longer says which.
        shown.insert("sameNameAndVersion".to_owned(), json!(namesakes));
    }
    Ok(shown)
}

/// Asks the module of `value` whether its settings fit, unless they are those that it has accepted already: a policy
/// whose module fails can still be switched off.
pub(crate) fn check_settings<E: Entity>(app: &App, value: &E, before: Option<&E>) -> Result<()> {
    let Some((module, settings)) = value.module_settings() else { return Ok(()) };
    if before.and_then(Entity::module_settings).is_some_and(|(old, text)| old == module && text == settings) {
        return Ok(());
    }
    let refusal = |path: &str, message: String| {
        let sent = value.members().remove(path.trim_start_matches('/')).unwrap_or_default();
        Error::Invalid(vec![Violation::new(path, sent, message)])
    };
    match in_turn(app, || app.policies.validate_settings(module, &settings)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => {
            let why: String = why.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
            Err(refusal("/settings", format!("the module refuses them: {why}")))
        }
        Err(failure) => Err(unanswered(&failure, |what| {
            refusal("/moduleDigest", format!("this module failed when it was asked about the settings: {what}"))
        })),
    }
}

/// Runs a call into the sandbox when its turn comes, so that requests keep their places. Blocks.
pub(super) fn in_turn<T>(app: &App, call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Without a runtime there are no requests to take turns with.
    let _turn = match Handle::try_current() {
        Ok(runtime) => Some(runtime.block_on(app.policies.turn())?),
        Err(_) => None,
    };
    call()
}

/// The error for a module that gave no answer: `fault` when that is the module's own doing.
pub(super) fn unanswered(failure: &Failure, fault: impl FnOnce(String) -> Error) -> Error {
    match failure.kind {
        FailureKind::Busy => Error::Unavailable {
            detail: "no turn at the policy sandbox at this moment: try again".to_owned(),
            cause: failure.to_string(),
        },
        _ => fault(format!("{failure} ({})", failure.kind.as_str())),
    }
}
