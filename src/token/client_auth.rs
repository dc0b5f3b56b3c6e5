//! Step 2, who asks: client authentication by secret (RFC 6749 2.3.1).
//!
//! An unknown client and a wrong secret cost and answer the same. For each reading of what was shown there is a keyed hash;
//! and one Argon2id run when the secret is not of the generated form, the server has any imported secret at all, and not too
//! much has failed there already. What still differs is hidden: every failure is answered at the end of a fixed step of time.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use scopeguard::ScopeGuard;
use tokio::sync::Semaphore;

use super::request::UnverifiedClient;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, OAuthCode, Result};
use crate::model::credential::{Credential, SecretHash};
use crate::model::id::Id;
use crate::model::machine_to_machine::AuthMethod;
use crate::secret::{Hash, SecretKind, hashes_equal, is_generated};
use crate::store::ClientView;
use crate::throttle::Place;

/// Failures are answered at multiples of this, so that the work done for them cannot be read off the clock.
pub(crate) const FAILURE_STEP: Duration = Duration::from_millis(10);
/// How long a request waits for its turn at a slow hash.
const SLOW_HASH_WAIT: Duration = Duration::from_secs(2);
/// Imported secrets that are remembered after their first success.
const REMEMBERED_MAX: usize = 10_000;

/// What client authentication keeps in memory.
pub(crate) struct SlowHashes {
    turns: Arc<Semaphore>,
    /// By credential: the keyed hash of the secret that its slow hash was seen to match. A credential's
    /// hash never changes, so an entry holds for as long as its credential is among the client's.
    pub(crate) remembered: Cache<Id, Hash>,
}

impl SlowHashes {
    pub(crate) fn new(at_a_time: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_a_time)), remembered: Cache::new(REMEMBERED_MAX) }
    }
}

/// A client that proved who it is, whether or not it may ask for anything.
pub(crate) struct Authenticated {
    pub(crate) client: Arc<ClientView>,
    /// How it did.
    pub(crate) method: AuthMethod,
}

/// The client that the credentials of a request prove. `readings` are one pair of credentials, in each way in which it can be
/// read; `place` is where they come from.
///
/// # Errors
/// `OAuth` `invalid_client`, or `TooMany` in its place after many failures from there; `Unavailable` when too many slow hashes
/// wait. Whoever answers with one waits until the end of a [`FAILURE_STEP`] before it does, as [`authenticate_in_step`] does of
/// its own accord.
pub(crate) async fn authenticate(app: &App, readings: &[UnverifiedClient], place: Place) -> Result<Authenticated> {
    let now = app.clock.now();
    for shown in readings {
        let client = app.store.client_by_client_id(&shown.client_id)?;
        let proof = find_credential(app, shown, client.as_deref(), place, now).await?;
        if let (Some(client), Some(credential)) = (client, proof) {
            app.usage.note_credential(&client, credential, now);
            return Ok(Authenticated { client, method: shown.method });
        }
    }
    let text = "unknown client or wrong secret: check client_id and client_secret";
    let client_id = readings.first().map(|shown| shown.client_id.as_str());
    Err(app.throttle.failed(client_id, place, now, Error::oauth(OAuthCode::InvalidClient, text)))
}

/// As [`authenticate`], and the client may ask; every failure is answered at the end of a step.
pub(crate) async fn authenticate_in_step(
    app: &App,
    readings: &[UnverifiedClient],
    place: Place,
) -> Result<Authenticated> {
    let watch = app.clock.stopwatch();
    let proof = authenticate(app, readings, place).await;
    let proof = proof.and_then(|proven| proven.check().map(|()| proven));
    if proof.is_err() {
        watch.wait_out(FAILURE_STEP).await;
    }
    proof
}

impl Authenticated {
    /// What a proven client may still lack: the method that it is to use, and being switched on.
    ///
    /// # Errors
    /// `OAuth` `invalid_client` or `unauthorized_client`.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { client, method } = self;
        if !client.allowed_auth_methods.contains(method) {
            let allowed: Vec<&str> = client.allowed_auth_methods.iter().map(|method| method.as_str()).collect();
            let text = format!("this client authenticates by {} only", allowed.join(" or "));
            return Err(Error::oauth(OAuthCode::InvalidClient, text));
        }
        if !client.active {
            let text = "this client is not active: an administrator must switch the integration on";
            return Err(Error::oauth(OAuthCode::UnauthorizedClient, text));
        }
        if !client.account_active {
            let text = "the service account of this client is not active: an administrator must switch it on";
            return Err(Error::oauth(OAuthCode::UnauthorizedClient, text));
        }
        Ok(())
    }
}

/// The index of the credential that the secret proves. A client that does not exist has none, and is looked for as long.
async fn find_credential(
    app: &App,
    shown: &UnverifiedClient,
    client: Option<&ClientView>,
    place: Place,
    now: Timestamp,
) -> Result<Option<usize>> {
    let keyed = app.server_keys.hash(shown.secret.expose());
    let credentials = client.map_or(&[][..], |client| client.credentials.as_slice());
    let mut found = None;
    for (index, credential) in credentials.iter().enumerate() {
        let remembered = match &credential.hash {
            SecretHash::Keyed(hash) => Some(*hash),
            SecretHash::Slow(_) => app.slow_hashes.remembered.get(&credential.id),
        };
        if remembered.is_some_and(|hash| hashes_equal(&hash, &keyed)) && credential.is_valid_at(now) {
            found = Some(index);
        }
    }
    let settled = found.is_some() || is_generated(SecretKind::Client, shown.secret.expose());
    if settled || !app.store.imported_secret_exists()? {
        return Ok(found);
    }
    // After many failures no more slow hashes are spent there. A secret that was seen to be right needs none.
    if app.throttle.is_failing(&shown.client_id, place, now) {
        return Ok(None);
    }
    let slow = Box::pin(hash_slowly(app, shown, place, now)).await?;
    let matches = |credential: &Credential| match &credential.hash {
        SecretHash::Slow(hash) => hashes_equal(hash, &slow) && credential.is_valid_at(now),
        SecretHash::Keyed(_) => false,
    };
    let found = credentials.iter().position(matches);
    if let Some(index) = found {
        app.slow_hashes.remembered.insert(credentials[index].id.clone(), keyed);
    }
    Ok(found)
}

/// One Argon2id run on the blocking pool, when its turn comes.
async fn hash_slowly(app: &App, shown: &UnverifiedClient, place: Place, now: Timestamp) -> Result<Hash> {
    let busy = |cause: &str| Error::Unavailable {
        detail: "too many clients authenticate with imported secrets at this moment: try again".to_owned(),
        cause: cause.to_owned(),
    };
    let turn = tokio::time::timeout(SLOW_HASH_WAIT, Arc::clone(&app.slow_hashes.turns).acquire_owned()).await;
    let turn = turn.map_err(|_| busy("no turn at a slow hash in time"))?.map_err(|_| busy("the server is stopping"))?;
    let (keys, client_id, secret) = (Arc::clone(&app.server_keys), shown.client_id.clone(), shown.secret.clone());
    let run = tokio::task::spawn_blocking(move || {
        let hash = keys.hash_slowly(&client_id, secret.expose());
        drop(turn);
        hash
    });
    // Who hangs up meanwhile, and so is dropped here, has guessed too: the work is done all the same.
    let guess = scopeguard::guard((), |()| {
        drop(app.throttle.failed(Some(&shown.client_id), place, now, Error::Unauthenticated));
    });
    let ended = run.await;
    ScopeGuard::into_inner(guess);
    ended.map_err(|error| Error::Internal(format!("a slow hash ended early: {error}")))?
}
