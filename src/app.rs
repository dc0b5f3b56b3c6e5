//! The application: everything that lives as long as the server, wired in one place.

mod keeper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Semaphore;

use crate::address::{Addresses, Base};
use crate::admin::asides::Asides;
use crate::admin::one_time::{Kept, OneTime};
use crate::admin::operations;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::decision::Recorder;
use crate::dev::{Controls, DevOptions};
use crate::error::{Error, Result};
use crate::forwarded::TrustedProxies;
use crate::model::api::TOKEN_LIFETIME_SECONDS;
use crate::model::api_token::Role;
use crate::policy::Policies;
use crate::secret::master::{self, KeySource};
use crate::secret::{self, Secret, SecretKind, ServerKeys};
use crate::signer::Signer;
use crate::store::{MASTER_KEY_CHECK, Opened, Origin, Store, StoreLimits};
use crate::throttle::Throttle;
use crate::token::client_auth::SlowHashes;
use crate::usage::Usage;
use keeper::Keeper;

/// A quarter of what the engine lets wait.
const QUICK_WRITES_MAX: usize = 256;
/// How long a sign-in link that nobody has used works.
const SIGN_IN_LINK_SECONDS: i64 = 86_400;

/// What [`App::open`] may do about a missing database or master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Make it: `dev`, `init`, and programs that embed grantd.
    Create,
    /// Refuse, and say how to make it: `serve`.
    Refuse,
}

/// A server's state: configuration, clock, database, keys.
pub struct App {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) store: Arc<Store>,
    pub(crate) server_keys: Arc<ServerKeys>,
    pub(crate) signer: Arc<Signer>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) slow_hashes: SlowHashes,
    pub(crate) throttle: Throttle,
    pub(crate) usage: Arc<Usage>,
    pub(crate) decisions: Recorder,
    pub(crate) one_time: OneTime,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) stopping: AtomicBool,
    key_source: KeySource,
    opened: Opened,
    /// Known once the server listens.
    addresses: OnceLock<Addresses>,
    dev: Option<Controls>,
    keeper: Mutex<Option<Keeper>>,
    verifying: Mutex<()>,
    /// One apply at a time: each holds a whole plan in memory.
    pub(crate) applying: Mutex<()>,
    pub(crate) asides: Asides,
    /// Admin writes that wait for their commit without a thread.
    pub(crate) quick_writes: Semaphore,
}

impl App {
    /// Opens the database that `config` names, or makes it with its master key, on the machine's clock.
    ///
    /// # Errors
    /// `Setup`: one line with the way out.
    pub fn open(config: Config) -> Result<Self> {
        Self::open_with(config, Clock::system(), Missing::Create)
    }

    /// As [`App::open`], with a clock of the caller's and the choice to refuse what is missing.
    ///
    /// # Errors
    /// `Setup`: one line with the way out.
    pub fn open_with(config: Config, clock: Clock, missing: Missing) -> Result<Self> {
        Self::open_as(config, clock, missing, None)
    }

    /// As [`App::open`], with what only `grantd dev` has: a clock that can be set, faults on demand, tokens that live
    /// a second, and keys that everybody knows if `options` ask for them. Not for a server that anybody relies on.
    ///
    /// # Errors
    /// `Setup`: one line with the way out.
    pub fn open_dev(config: Config, options: &DevOptions) -> Result<Self> {
        let clock = options.clock.clone().unwrap_or_else(Clock::shiftable);
        Self::open_as(config, clock, Missing::Create, Some(Controls::new(options)))
    }

    fn open_as(config: Config, clock: Clock, missing: Missing, dev: Option<Controls>) -> Result<Self> {
        config.check()?;
        let create = missing == Missing::Create;
        let limits =
            StoreLimits { clients_cached: config.limits.clients_cached, page_cache_kib: config.limits.page_cache_kib };
        let (store, opened) = Store::open(&config.database, create, limits)?;
        let key_source = master::source(config.master_key_file.as_deref(), &config.database);
        let server_keys = open_master_key(&store, opened, &key_source, &clock)?;
        let signer = match &dev {
            Some(controls) if controls.fixed_keys => Signer::fixed(config.keys.clone()),
            _ => Signer::open(&store, &server_keys, &clock, config.keys.clone()),
        };
        let signer = signer.map_err(at_start)?;
        crate::admin::make_built_in(&store, &clock).map_err(at_start)?;
        let (store, server_keys) = (Arc::new(store), Arc::new(server_keys));
        let policies = Arc::new(Policies::new(&store, &server_keys, &clock, &config.policies));
        prepare(&policies).map_err(at_start)?;
        let app = Self {
            slow_hashes: SlowHashes::new(config.limits.slow_hashes),
            throttle: Throttle::new(&config.throttle),
            decisions: Recorder::start(Arc::clone(&store), &config.decisions)?,
            store,
            server_keys,
            policies,
            signer: Arc::new(signer),
            usage: Arc::new(Usage::default()),
            one_time: OneTime::default(),
            trusted_proxies: config.proxies()?,
            stopping: AtomicBool::new(false),
            addresses: OnceLock::new(),
            dev,
            keeper: Mutex::default(),
            verifying: Mutex::default(),
            applying: Mutex::default(),
            asides: Asides::default(),
            quick_writes: Semaphore::new(QUICK_WRITES_MAX),
            config,
            clock,
            key_source,
            opened,
        };
        *app.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(Keeper::start(&app)?);
        Ok(app)
    }

    /// Whether this call made the database.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.opened == Opened::Created
    }

    /// Where the master key came from.
    #[must_use]
    pub fn master_key_source(&self) -> &KeySource {
        &self.key_source
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The policy engine.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The URL that clients reach this server by; empty until it listens.
    #[must_use]
    pub fn public_url(&self) -> &str {
        self.addresses.get().map_or("", |all| &all.main().url)
    }

    /// The `iss` of tokens, `{public_url}/oauth2/`; empty until it listens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.addresses.get().map_or("", |all| &all.main().issuer)
    }

    /// Every `iss` that a token of this server may have: one, unless aliases have their own.
    pub(crate) fn issuers(&self) -> Vec<&str> {
        self.addresses.get().map_or_else(Vec::new, Addresses::issuers)
    }

    /// The configured URL that a request with this `Host` was made at.
    pub(crate) fn base_at(&self, host: &str) -> Result<&Base> {
        let all = self.addresses.get().ok_or_else(|| Error::Internal("the server does not listen yet".to_owned()))?;
        Ok(all.at(host))
    }

    /// Fixes the URLs. The first call counts.
    pub(crate) fn set_public_url(&self, public_url: &str) {
        let new = || Addresses::new(public_url, &self.config.issuer_aliases, self.config.alias_issuer);
        self.addresses.get_or_init(new);
    }

    /// What only `grantd dev` has.
    pub(crate) fn dev(&self) -> Option<&Controls> {
        self.dev.as_ref()
    }

    /// Shortest lifetime of a token that an API may ask for, in seconds.
    pub(crate) fn token_lifetime_seconds_min(&self) -> i64 {
        if self.dev.is_some() { 1 } else { *TOKEN_LIFETIME_SECONDS.start() }
    }

    /// Whether everybody knows the keys that this server signs with.
    #[must_use]
    pub fn has_fixed_keys(&self) -> bool {
        self.signer.is_fixed()
    }

    /// Makes an API token with the role admin: how a new database gets its first one.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn first_api_token(&self) -> Result<Secret> {
        let token = secret::generate(&self.clock, SecretKind::ApiToken);
        let origin = Origin::system("the first admin API token");
        operations::api_token_insert(self, "first".to_owned(), Role::Admin, true, None, &token, &origin)?;
        Ok(token)
    }

    /// A path that signs in to the console in the name of `api_token`: once, within a day, while this server runs.
    /// `None` when there is no such token, or no console.
    ///
    /// # Errors
    /// `Unavailable` or `Internal` from the database.
    pub fn sign_in_path(&self, api_token: &Secret) -> Result<Option<String>> {
        let token = self.store.api_token_by_hash(&self.server_keys.hash(api_token.expose()))?;
        let Some(token) = token.filter(|_| self.config.console.enabled) else { return Ok(None) };
        let code = secret::generate(&self.clock, SecretKind::Once);
        let now = self.clock.now();
        let kept = Kept::SignIn { api_token_id: token.id.to_string() };
        self.one_time.keep(self.server_keys.hash(code.expose()), kept, now, now.plus_seconds(SIGN_IN_LINK_SECONDS));
        Ok(Some(format!("/console/sign-in?code={}", code.expose())))
    }

    /// Checks the audit chain from its start: one check at a time, since each reads the whole of it.
    ///
    /// # Errors
    /// `Unavailable` while another check runs; `Unavailable` or `Internal` from the database.
    pub fn audit_verify(&self) -> Result<crate::store::AuditVerdict> {
        let _turn = self.verifying.try_lock().map_err(|_| Error::Unavailable {
            detail: "the audit chain is being checked already: try again when that is done".to_owned(),
            cause: "one check at a time".to_owned(),
        })?;
        self.store.audit_verify(&self.server_keys)
    }

    /// Does the background work that is due, then closes the database. Later requests are refused.
    pub fn close(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.decisions.close();
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.stop();
        }
        self.store.close();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("database", &self.config.database).finish_non_exhaustive()
    }
}

/// Finds the master key that belongs to the database, or makes it for a new one.
fn open_master_key(store: &Store, opened: Opened, source: &KeySource, clock: &Clock) -> Result<ServerKeys> {
    let known = store.setting_by_name(MASTER_KEY_CHECK).map_err(at_start)?;
    let master = match (master::read(source)?, source, &known) {
        (Some(master), _, _) => master,
        // Not even a first start left its mark: nothing is sealed in this database yet.
        (None, KeySource::File(path), None) => master::create(path, clock)?,
        (None, _, _) => {
            return Err(Error::Setup(format!(
                "the master key of {} is missing: {source} does not exist; put it back, or name it with --master-key-file",
                store.path().display()
            )));
        }
    };
    let keys = ServerKeys::derive(&master)?;
    match known {
        None => {
            if opened == Opened::Existing {
                tracing::warn!("the database was never finished: finishing it now");
            }
            store.audit_begin(&keys).map_err(at_start)?;
        }
        Some(value) if keys.recognise(&value).is_some() => {}
        Some(_) => {
            return Err(Error::Setup(format!(
                "the master key in {source} is not the one of {}; name the right one with --master-key-file",
                store.path().display()
            )));
        }
    }
    Ok(keys)
}

/// Compiles the policy modules in use that are not compiled for this engine: after an upgrade, mostly. A module that
/// fails keeps no server from starting; what it is attached to denies.
fn prepare(policies: &Policies) -> Result<()> {
    for (digest, failure) in policies.untrusted()? {
        tracing::error!(digest, "a policy module in use is refused, and what it is attached to denies: {failure}");
    }
    policies.prepare(true, |digest, outcome| match outcome {
        Ok(_) => {}
        Err(failure) => {
            tracing::error!(digest, "a policy module cannot be used, and what it is attached to denies: {failure}");
        }
    })
}

/// An error of the running server, told as one line at start.
fn at_start(error: Error) -> Error {
    match error {
        Error::Setup(_) => error,
        other => Error::Setup(other.for_operator()),
    }
}

/// Shown by health checks: the database answers.
pub(crate) fn is_ready(app: &App) -> Result<Timestamp> {
    if app.stopping.load(Ordering::SeqCst) {
        return Err(Error::Unavailable { detail: "the server is stopping".to_owned(), cause: "stopping".to_owned() });
    }
    app.store.imported_secret_exists()?;
    Ok(app.clock.now())
}
