//! Secrets: the server's keys, how generated secrets look, and how presented ones are checked.
//!
//! Nothing here stores anything. A generated secret carries 256 random bits, so one keyed hash checks it;
//! a secret that a person chose goes through Argon2id. No type that holds a secret prints it.

mod check;
pub mod master;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, digest, hkdf, hmac};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::id::base62_from;
pub use check::KeyCheck;

/// A secret text. Wiped when dropped; prints as `[secret]`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes over `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The last four characters, by which people tell secrets apart.
    #[must_use]
    pub fn last4(&self) -> String {
        let start = self.0.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
        self.0[start..].to_owned()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        hashes_equal(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What a generated secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// An OAuth client secret: `gsec_…`.
    Client,
    /// A bearer of the admin API: `gapi_…`.
    ApiToken,
    /// A session of the console: `gses_…`.
    Session,
    /// Something of the console that works once: `gonc_…`.
    Once,
}

impl SecretKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Client => "gsec_",
            Self::ApiToken => "gapi_",
            Self::Session => "gses_",
            Self::Once => "gonc_",
        }
    }
}

/// 62^43 just exceeds 2^256.
const SECRET_BODY_CHARS: usize = 43;
/// 24 bits of SHA-256 over prefix and body in lower-case hex, so that a scanner tells a leak from a look-alike.
const SECRET_CHECK_CHARS: usize = 6;

/// A new secret: prefix, 43 characters of base 62 (256 bits), 6 of checksum. Only `[A-Za-z0-9_]`.
#[must_use]
pub fn generate(clock: &Clock, kind: SecretKind) -> Secret {
    with_checksum(kind, &base62_from(SECRET_BODY_CHARS, |bytes| clock.fill(bytes)))
}

/// Whether `text` has the form of a generated secret, its checksum included.
#[must_use]
pub fn is_generated(kind: SecretKind, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(kind.prefix()) else { return false };
    rest.len() == SECRET_BODY_CHARS + SECRET_CHECK_CHARS
        && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        && with_checksum(kind, &rest[..SECRET_BODY_CHARS]).expose() == text
}

fn with_checksum(kind: SecretKind, body: &str) -> Secret {
    let mut text = String::with_capacity(kind.prefix().len() + SECRET_BODY_CHARS + SECRET_CHECK_CHARS);
    text.push_str(kind.prefix());
    text.push_str(body);
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    for byte in &hash.as_ref()[..SECRET_CHECK_CHARS / 2] {
        text.push_str(&format!("{byte:02x}"));
    }
    Secret(text)
}

/// The least a caller-supplied secret must have.
const IMPORTED_CHARS_MIN: usize = 16;
const IMPORTED_CHARS_MAX: usize = 256;
const IMPORTED_DISTINCT_MIN: usize = 8;

/// Checks a secret that a caller brings along; `Err` says what to change.
pub fn check_strength(secret: &str, client_id: &str) -> Result<(), String> {
    if !secret.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err("a client secret is printable ASCII (RFC 6749 appendix A.2)".to_owned());
    }
    if secret.len() < IMPORTED_CHARS_MIN || secret.len() > IMPORTED_CHARS_MAX {
        return Err(format!(
            "a client secret has {IMPORTED_CHARS_MIN} to {IMPORTED_CHARS_MAX} characters: leave it out to have a strong one made"
        ));
    }
    let distinct = secret.bytes().collect::<std::collections::BTreeSet<_>>().len();
    if distinct < IMPORTED_DISTINCT_MIN {
        return Err(format!(
            "use at least {IMPORTED_DISTINCT_MIN} different characters, or leave it out to have a strong one made"
        ));
    }
    if !client_id.is_empty() && secret.contains(client_id) {
        return Err("a secret must not contain the client id".to_owned());
    }
    Ok(())
}

/// A keyed hash: 32 bytes.
pub type Hash = [u8; 32];

/// Whether two hashes, or texts of one length, are equal, in time that does not depend on where they differ.
#[must_use]
pub fn hashes_equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Argon2id as OWASP recommends it: 19 MiB, two passes, one lane; about 26 ms. Changing these needs a new
/// `hash_kind` in the schema.
const ARGON2_MEMORY_KIB: u32 = 19 * 1024;
const ARGON2_PASSES: u32 = 2;

/// The keys that follow from the master key. None of them is ever stored.
pub struct ServerKeys {
    secret_hash: hmac::Key,
    audit: hmac::Key,
    audit_head: hmac::Key,
    artifact: hmac::Key,
    argon2_pepper: PepperKey,
    seal: RandomizedNonceKey,
    dev: hmac::Key,
    check: Hash,
    check_without_head: Hash,
}

#[derive(ZeroizeOnDrop)]
struct PepperKey([u8; 32]);

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKeys")
    }
}

impl ServerKeys {
    /// Derives every key by HKDF-SHA-256 (RFC 5869), each under its own name.
    ///
    /// # Errors
    /// `Internal` if the cryptographic library refuses, which it has no reason to.
    pub fn derive(master: &master::MasterKey) -> Result<Self> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"grantd v1");
        let root = salt.extract(master.bytes());
        let derive = |name: &'static str| -> Result<Hash> {
            let mut key = [0_u8; 32];
            root.expand(&[name.as_bytes()], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(&mut key))
                .map_err(|_| Error::Internal(format!("HKDF failed for {name}")))?;
            Ok(key)
        };
        let mac = |name| -> Result<hmac::Key> { Ok(hmac::Key::new(hmac::HMAC_SHA256, &derive(name)?)) };
        Ok(Self {
            secret_hash: mac("secret hash")?,
            audit: mac("audit chain")?,
            audit_head: mac("audit head")?,
            artifact: mac("policy artifact")?,
            argon2_pepper: PepperKey(derive("argon2 pepper")?),
            seal: RandomizedNonceKey::new(&AES_256_GCM, &derive("seal")?)
                .map_err(|_| Error::Internal("AES-256-GCM key refused".to_owned()))?,
            dev: mac("dev sample")?,
            check: derive(check::WITH_HEAD)?,
            check_without_head: derive(check::WITHOUT_HEAD)?,
        })
    }

    /// The stored form of a generated secret.
    #[must_use]
    pub fn hash(&self, secret: &str) -> Hash {
        tag(&self.secret_hash, &[secret.as_bytes()])
    }

    /// What a form of the console carries to show that it was made for the session with this cookie.
    #[must_use]
    pub fn form_token(&self, cookie: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(tag(&self.secret_hash, &[b"form token", cookie.as_bytes()]))
    }

    /// One link of the audit chain.
    #[must_use]
    pub fn audit_hash(&self, parts: &[&[u8]]) -> Hash {
        tag(&self.audit, parts)
    }

    /// The seal over a compiled policy module: machine code that is loaded only if this server wrote it.
    #[must_use]
    pub fn artifact_mac(&self, parts: &[&[u8]]) -> Hash {
        tag(&self.artifact, parts)
    }

    /// The stored form of a secret that a person chose, under a salt of its client's own. All secrets of
    /// one client share the salt, so that one run answers for all of them. Takes about 26 ms.
    ///
    /// # Errors
    /// `Internal` if Argon2 refuses its constant parameters.
    pub fn hash_slowly(&self, client_id: &str, secret: &str) -> Result<Hash> {
        let failed = |error: argon2::Error| Error::Internal(format!("Argon2id failed: {error}"));
        let salt = tag(&self.secret_hash, &[b"argon2 salt", client_id.as_bytes()]);
        let params = argon2::Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, 1, None).map_err(failed)?;
        let argon = argon2::Argon2::new_with_secret(
            &self.argon2_pepper.0,
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            params,
        )
        .map_err(failed)?;
        let mut hash = [0_u8; 32];
        argon.hash_password_into(secret.as_bytes(), &salt, &mut hash).map_err(failed)?;
        Ok(hash)
    }

    /// A secret that `dev` can print again after a restart although the database holds only its hash: it
    /// follows from the master key and `name`.
    #[must_use]
    pub fn dev_secret(&self, kind: SecretKind, name: &str) -> Secret {
        with_checksum(kind, &self.dev_text(name, SECRET_BODY_CHARS))
    }

    /// Letters and digits that follow from the master key and `name`.
    pub(crate) fn dev_text(&self, name: &str, chars: usize) -> String {
        let mut round = 0_u32;
        base62_from(chars, |bytes| {
            bytes.copy_from_slice(&tag(&self.dev, &[name.as_bytes(), &round.to_be_bytes()]));
            round += 1;
        })
    }

    /// Seals bytes with AES-256-GCM: nonce, ciphertext, tag. `context` must be given again to open them.
    ///
    /// # Errors
    /// `Internal` if the cipher refuses.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed)
            .map_err(|_| Error::Internal("sealing a key failed".to_owned()))?;
        let mut framed = nonce.as_ref().to_vec();
        framed.append(&mut sealed);
        Ok(framed)
    }

    /// Opens what [`ServerKeys::seal`] made under the same context.
    ///
    /// # Errors
    /// `Internal` when the bytes were changed, or sealed under another key or context.
    pub fn open(&self, context: &str, framed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        let failed = || Error::Internal(format!("{context} cannot be opened: its stored bytes were changed"));
        let (nonce, sealed) = framed.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut plain = zeroize::Zeroizing::new(sealed.to_vec());
        let length =
            self.seal.open_in_place(nonce, Aad::from(context.as_bytes()), &mut plain).map_err(|_| failed())?.len();
        plain.truncate(length);
        Ok(plain)
    }
}

/// A key that grantd made for one user of a machine, for what it keeps there. It opens nothing of a server's.
pub struct LocalKey(hmac::Key);

impl LocalKey {
    /// Takes over random bytes.
    #[must_use]
    pub fn new(bytes: &Hash) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The seal over a list of parts.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> Hash {
        tag(&self.0, parts)
    }
}

/// HMAC-SHA-256 over length-prefixed parts, so that no two lists of parts are the same bytes.
fn tag(key: &hmac::Key, parts: &[&[u8]]) -> Hash {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let tag = context.sign();
    let mut hash = [0_u8; 32];
    hash.copy_from_slice(tag.as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> ServerKeys {
        ServerKeys::derive(&master::MasterKey::from_bytes([byte; 32])).unwrap()
    }

    #[test]
    fn a_generated_secret_is_recognised_and_a_look_alike_is_not() {
        let secret = generate(&Clock::system(), SecretKind::Client);
        let text = secret.expose();
        assert_eq!(text.len(), 5 + 43 + 6);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        assert!(is_generated(SecretKind::Client, text));
        assert!(!is_generated(SecretKind::ApiToken, text));
        let mut other = text.to_owned();
        let flipped = if other.pop() == Some('0') { '1' } else { '0' };
        other.push(flipped);
        assert!(!is_generated(SecretKind::Client, &other));
        assert_eq!(format!("{secret:?}"), "[secret]");
        assert_eq!(secret.last4(), text[text.len() - 4..]);
    }

    #[test]
    fn what_is_sealed_opens_only_under_its_key_and_context() {
        let sealed = keys(1).seal("key a", b"private").unwrap();
        assert_eq!(keys(1).open("key a", &sealed).unwrap().as_slice(), b"private");
        assert!(keys(1).open("key b", &sealed).is_err());
        assert!(keys(2).open("key a", &sealed).is_err());
        assert!(keys(1).open("key a", &sealed[..5]).is_err());
        let mut torn = sealed;
        torn[20] ^= 1;
        assert!(keys(1).open("key a", &torn).is_err());
    }

    #[test]
    fn hashes_depend_on_key_client_and_secret() {
        assert_ne!(keys(1).hash("a"), keys(2).hash("a"));
        let slow = keys(1).hash_slowly("client", "secret").unwrap();
        assert_eq!(slow, keys(1).hash_slowly("client", "secret").unwrap());
        assert_ne!(slow, keys(1).hash_slowly("other", "secret").unwrap());
        assert_ne!(slow, keys(2).hash_slowly("client", "secret").unwrap());
    }

    #[test]
    fn the_sample_secret_follows_from_the_master_key() {
        let secret = |key, name| keys(key).dev_secret(SecretKind::Client, name).expose().to_owned();
        assert_eq!(secret(1, "sample"), secret(1, "sample"));
        assert_ne!(secret(1, "sample"), secret(2, "sample"));
        assert_ne!(secret(1, "sample"), secret(1, "other"));
        assert!(is_generated(SecretKind::Client, &secret(1, "sample")));
    }

    #[test]
    fn weak_secrets_are_refused() {
        for weak in [
            "short",
            "aaaaaaaaaaaaaaaaaaaaaaa",
            "cleanup-client-id-1",
            "has\0nul-0123456789ab",
            "grüße-0123456789abcdef",
        ] {
            assert!(check_strength(weak, "cleanup-client-id").is_err(), "{weak}");
        }
        assert!(check_strength("p%40ss+w:rd with=all&", "client").is_ok());
    }
}
