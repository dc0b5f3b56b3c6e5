//! Signing keys and what is done with them: JWTs, the JWKS, rotation. Private keys never leave this room.
//!
//! Each key is prepared once: `jsonwebtoken::encode` would read it anew for every token, which costs as much
//! as an Ed25519 signature itself. `jsonwebtoken` verifies, and names the types of the JWKS.

mod fixed;
mod key;
mod rotation;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use crate::clock::{Clock, Timestamp};
use crate::config::KeysConfig;
use crate::error::{Error, OAuthCode, Result};
use crate::model::api::SigningAlg;
use crate::model::id::Id;
use crate::secret::ServerKeys;
use crate::store::{KeyRow, KeyState, Store};
use key::PreparedKey;

pub use rotation::RotateRequest;

/// Longest token that is issued and looked at, in bytes: with the credentials of who asks about it, it goes into one form.
pub(crate) const TOKEN_BYTES_MAX: usize = 48 * 1024;

/// The signing keys of one server.
pub struct Signer {
    settings: KeysConfig,
    current: RwLock<Arc<KeySet>>,
    /// Held while keys change: the background thread and an administrator take turns.
    turn: Mutex<()>,
    /// The keys are those that everybody knows, and never change.
    is_fixed: bool,
}

/// The keys as of one moment.
struct KeySet {
    rows: Vec<KeyRow>,
    signing: BTreeMap<SigningAlg, PreparedKey>,
    verifying: HashMap<String, (Algorithm, DecodingKey)>,
    jwks: String,
}

/// A key that does not sign now and cannot be opened: it was damaged, or tampered with. Servers run all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedKey {
    /// Its id.
    pub kid: Id,
    /// Its algorithm.
    pub alg: SigningAlg,
    /// Where it stands; never `Active`.
    pub state: KeyState,
}

impl DamagedKey {
    /// What to do about it.
    #[must_use]
    pub fn way_out(&self) -> String {
        if self.state == KeyState::Retired {
            return format!("it signs no more: take it out at the running server (grantd key delete {})", self.kid);
        }
        "it is the next to sign, and keys no longer rotate: restore a backup from before it was damaged".to_owned()
    }
}

impl fmt::Display for DamagedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {} key {} cannot be opened", self.state.as_str(), self.alg.as_str(), self.kid)
    }
}

impl Signer {
    /// Loads the keys, and makes the first ones where an algorithm has none.
    ///
    /// # Errors
    /// `Internal` when a stored key cannot be opened; `Unavailable` or `Internal` from the database.
    pub fn open(store: &Store, server_keys: &ServerKeys, clock: &Clock, settings: KeysConfig) -> Result<Self> {
        rotation::make_first_keys(store, server_keys, clock)?;
        let current = RwLock::new(Arc::new(KeySet::load(store, server_keys)?));
        Ok(Self { settings, current, turn: Mutex::default(), is_fixed: false })
    }

    /// The keys of `grantd dev --fixed-keys`; those of the database rest.
    ///
    /// # Errors
    /// `Internal` when a key cannot be made, which would be a mistake in this program.
    pub fn fixed(settings: KeysConfig) -> Result<Self> {
        let current = RwLock::new(Arc::new(KeySet::fixed()?));
        Ok(Self { settings, current, turn: Mutex::default(), is_fixed: true })
    }

    /// Whether everybody knows the keys.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// Whether a server could use the keys in the database, without making or changing any: every key there is, and those
    /// of them that are damaged and that a server runs without.
    ///
    /// # Errors
    /// As [`Signer::open`]: no server starts.
    pub fn check(store: &Store, server_keys: &ServerKeys) -> Result<(Vec<KeyRow>, Vec<DamagedKey>)> {
        let rows = KeySet::load(store, server_keys)?.rows;
        // Those that wait sign one day, and one that does not open was tampered with, whatever it still is for.
        let others = rows.iter().filter(|row| row.state != KeyState::Active);
        let damaged = others.filter(|row| PreparedKey::open(row, server_keys).is_err());
        let damaged = damaged.map(|row| DamagedKey { kid: row.kid.clone(), alg: row.alg, state: row.state }).collect();
        Ok((rows, damaged))
    }

    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over the keys of the database. Every change begins with this too: the one before may have been written, and not
    /// read back.
    fn reload(&self, store: &Store, server_keys: &ServerKeys) -> Result<()> {
        if self.is_fixed {
            return Ok(());
        }
        let loaded = Arc::new(KeySet::load(store, server_keys)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Signs `claims`, the JSON text of a JWT's claims, under the active key of `alg`: a compact JWS
    /// (RFC 7515 7.1) with `typ` `at+jwt` (RFC 9068 2.1).
    ///
    /// # Errors
    /// `OAuth` `invalid_scope` when it would be longer than this server could be asked about; `Internal` when there is no
    /// active key of `alg`, or signing fails.
    pub fn sign(&self, alg: SigningAlg, claims: &[u8]) -> Result<String> {
        let current = self.current();
        let key = current.signing.get(&alg);
        let key = key.ok_or_else(|| Error::Internal(format!("there is no active {} key", alg.as_str())))?;
        let mut token = String::with_capacity(key.header().len() + claims.len() * 4 / 3 + 512);
        token.push_str(key.header());
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = key.sign(token.as_bytes())?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::oauth(
                OAuthCode::InvalidScope,
                format!(
                    "the token would have {} bytes, and may have {TOKEN_BYTES_MAX}: ask for fewer scopes, and for the others \
                     again",
                    token.len()
                ),
            ));
        }
        Ok(token)
    }

    /// The claims of a token that this server signed as one of `issuers` and that holds now; `None` for any other text.
    /// Audience, scopes and whether its account still may is for the caller to check.
    #[must_use]
    pub fn verify(&self, token: &str, issuers: &[&str], now: Timestamp) -> Option<Map<String, Value>> {
        let claims = self.verify_at_any_time(token, issuers)?;
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
        let holds = seconds("exp")? > now.unix_seconds() && seconds("nbf").is_none_or(|nbf| nbf <= now.unix_seconds());
        holds.then_some(claims)
    }

    /// As [`Signer::verify`], for a token that may have expired or not begun.
    #[must_use]
    pub fn verify_at_any_time(&self, token: &str, issuers: &[&str]) -> Option<Map<String, Value>> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let current = self.current();
        let (alg, key) = current.verifying.get(header.kid.as_deref()?)?;
        let mut validation = Validation::new(*alg);
        validation.set_issuer(issuers);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        validation.validate_aud = false;
        // It would read the machine's clock.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation).ok()?.claims;
        (header.typ.as_deref() == Some("at+jwt")).then_some(claims)
    }

    /// The public keys as a JWK Set (RFC 7517 5), each with `kid`, `use` and `alg`.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.current().jwks.clone()
    }

    /// Every key with its state and times.
    #[must_use]
    pub fn key_rows(&self) -> Vec<KeyRow> {
        self.current().rows.clone()
    }
}

impl KeySet {
    fn load(store: &Store, server_keys: &ServerKeys) -> Result<Self> {
        let rows = store.signing_key_list()?;
        let active = rows.iter().filter(|row| row.state == KeyState::Active);
        let signing = active.map(|row| Ok((row.alg, PreparedKey::open(row, server_keys)?))).collect::<Result<_>>()?;
        Self::of(rows, signing)
    }

    fn fixed() -> Result<Self> {
        let keys = SigningAlg::ALL.into_iter().map(fixed::key).collect::<Result<Vec<_>>>()?;
        let (rows, prepared): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        let signing = SigningAlg::ALL.into_iter().zip(prepared).collect();
        Self::of(rows, signing)
    }

    fn of(rows: Vec<KeyRow>, signing: BTreeMap<SigningAlg, PreparedKey>) -> Result<Self> {
        let mut verifying = HashMap::new();
        let mut public = Vec::with_capacity(rows.len());
        for row in &rows {
            let unfit =
                |error: &dyn fmt::Display| Error::Internal(format!("the public key {} is not one: {error}", row.kid));
            let jwk: Jwk = serde_json::from_value(row.public_jwk.clone()).map_err(|error| unfit(&error))?;
            let decoding = DecodingKey::from_jwk(&jwk).map_err(|error| unfit(&error))?;
            verifying.insert(row.kid.to_string(), (key::jwt_algorithm(row.alg), decoding));
            public.push(jwk);
        }
        let jwks = serde_json::to_string(&JwkSet { keys: public })
            .map_err(|error| Error::Internal(format!("the key set cannot be written: {error}")))?;
        Ok(Self { rows, signing, verifying, jwks })
    }
}
