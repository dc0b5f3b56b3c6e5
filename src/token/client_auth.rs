//! Step 2, who asks: client authentication by secret (RFC 6749 2.3.1).
//!
//! An unknown client and a wrong secret cost and answer the same. What is computed depends on the secret
//! that was shown alone: a keyed hash always; one Argon2id run when it is not of the generated form and the
//! server has any imported secret at all. And every failure is answered at the end of a fixed step of time.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use super::request::UnverifiedClient;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, OAuthCode, Result};
use crate::model::credential::{Credential, SecretHash};
use crate::model::id::Id;
use crate::model::machine_to_machine::AuthMethod;
use crate::secret::{Hash, Secret, SecretKind, hashes_equal, is_generated};
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

/// A client that proved who it is.
pub(crate) struct Authenticated {
    pub(crate) client: Arc<ClientView>,
    /// How it did.
    pub(crate) method: AuthMethod,
}

/// The client that the credentials of a request prove, ready to be asked what it may. `readings` are one pair of
/// credentials, in each way in which it can be read; `place` is where they come from.
///
/// # Errors
/// `OAuth` `invalid_client` or `unauthorized_client`; `TooMany` in place of the first after many failures from there;
/// `Unavailable` when too many slow hashes wait. Whoever answers with one waits until the end of a [`FAILURE_STEP`] before it
/// does, as [`authenticate_in_step`] does of its own accord.
pub(crate) async fn authenticate(app: &App, readings: &[UnverifiedClient], place: Place) -> Result<Authenticated> {
    let now = app.clock.now();
    for shown in readings {
        let client = app.store.client_by_client_id(&shown.client_id)?;
        let proof = find_credential(app, shown, client.as_deref(), place, now).await?;
        if let (Some(client), Some(credential)) = (client, proof) {
            check_client(&client, shown)?;
            app.usage.note_credential(&client, credential, now);
            return Ok(Authenticated { client, method: shown.method });
        }
    }
    let text = "unknown client or wrong secret: check client_id and client_secret";
    let client_id = readings.first().map(|shown| shown.client_id.as_str());
    Err(app.throttle.failed(client_id, place, now, Error::oauth(OAuthCode::InvalidClient, text)))
}

/// As [`authenticate`], and every failure is answered at the end of a step.
pub(crate) async fn authenticate_in_step(
    app: &App,
    readings: &[UnverifiedClient],
    place: Place,
) -> Result<Authenticated> {
    let watch = app.clock.stopwatch();
    let proof = authenticate(app, readings, place).await;
    if proof.is_err() {
        watch.wait_out(FAILURE_STEP).await;
    }
    proof
}

/// What an authenticated client may still lack.
fn check_client(client: &ClientView, shown: &UnverifiedClient) -> Result<()> {
    if !client.allowed_auth_methods.contains(&shown.method) {
        let allowed: Vec<&str> = client.allowed_auth_methods.iter().map(|method| method.as_str()).collect();
        return Err(Error::oauth(
            OAuthCode::InvalidClient,
            format!("this client authenticates by {} only", allowed.join(" or ")),
        ));
    }
    if !client.active {
        return Err(Error::oauth(
            OAuthCode::UnauthorizedClient,
            "this client is not active: an administrator must switch the integration on",
        ));
    }
    if !client.account_active {
        return Err(Error::oauth(
            OAuthCode::UnauthorizedClient,
            "the service account of this client is not active: an administrator must switch it on",
        ));
    }
    Ok(())
}

/// The index of the credential that the secret proves. Runs the same for a client that does not exist.
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
    let slow = Box::pin(hash_slowly(app, &shown.client_id, &shown.secret)).await?;
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
async fn hash_slowly(app: &App, client_id: &str, secret: &Secret) -> Result<Hash> {
    let busy = |cause: &str| Error::Unavailable {
        detail: "too many clients authenticate with imported secrets at this moment: try again".to_owned(),
        cause: cause.to_owned(),
    };
    let turn = tokio::time::timeout(SLOW_HASH_WAIT, Arc::clone(&app.slow_hashes.turns).acquire_owned()).await;
    let turn = turn.map_err(|_| busy("no turn at a slow hash in time"))?.map_err(|_| busy("the server is stopping"))?;
    let (keys, client_id, secret) = (Arc::clone(&app.server_keys), client_id.to_owned(), secret.clone());
    let run = tokio::task::spawn_blocking(move || {
        let hash = keys.hash_slowly(&client_id, secret.expose());
        drop(turn);
        hash
    });
    run.await.map_err(|error| Error::Internal(format!("a slow hash ended early: {error}")))?
}
