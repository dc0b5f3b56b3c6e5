//! Whose modules a server runs: with `policies.trusted_keys` set, those alone that one of the keys has signed.
//!
//! A signature is detached: Ed25519 (RFC 8032) over the module's bytes, so that any tool makes one:
//! `openssl pkeyutl -sign -rawin -inkey KEY.pem -in policy.wasm -out policy.wasm.sig`.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::failure::Failure;
use crate::model::digest::sha256_hex;
use crate::store::Store;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Keys that a configuration may name.
pub const TRUSTED_KEYS_MAX: usize = 32;
/// Bytes of a public key.
const KEY_BYTES: usize = 32;
/// What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410 4), the form of a PEM file.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Whose modules are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Anybody's: nobody has to sign.
    #[default]
    Everybody,
    /// Those that one of these keys has signed. Without a key that is nobody's at all.
    Signers(Vec<PublicKey>),
}

/// An Ed25519 key.
type PublicKey = [u8; KEY_BYTES];

impl Trust {
    /// Reads keys, each the base64 of its 32 bytes, or of its SubjectPublicKeyInfo: the line of a PEM file.
    ///
    /// # Errors
    /// Which key does not fit.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.len() > TRUSTED_KEYS_MAX {
            return Err(format!("there are {} keys, and there may be {TRUSTED_KEYS_MAX}", texts.len()));
        }
        let keys = texts.iter().map(|text| {
            let unfit = || {
                format!(
                    "{text:?} is no Ed25519 public key in base64: take the line of the PEM file that `openssl pkey -pubout` \
                     prints"
                )
            };
            let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| unfit())?;
            let key = bytes.strip_prefix(&SPKI_PREFIX[..]).unwrap_or(&bytes);
            PublicKey::try_from(key).map_err(|_| unfit())
        });
        if texts.is_empty() {
            return Ok(Self::Everybody);
        }
        keys.collect::<Result<_, _>>().map(Self::Signers)
    }

    /// Whether modules have to be signed.
    #[must_use]
    pub fn is_demanded(&self) -> bool {
        matches!(self, Self::Signers(_))
    }

    /// Holds a module against the keys.
    ///
    /// # Errors
    /// Why it is not run.
    pub fn check(&self, bytes: &[u8], signature: Option<&[u8]>) -> Result<(), Failure> {
        let Self::Signers(keys) = self else { return Ok(()) };
        let Some(signature) = signature else {
            return Err(Failure::refused(
                "it is not signed, and this server runs signed modules alone (policies.trusted_keys)".to_owned(),
            ));
        };
        let signed = |key: &PublicKey| UnparsedPublicKey::new(&ED25519, key).verify(bytes, signature).is_ok();
        if keys.iter().any(signed) {
            return Ok(());
        }
        Err(Failure::refused(
            "its signature is of none of the keys that this server trusts (policies.trusted_keys)".to_owned(),
        ))
    }

    /// Holds a stored module against the keys, with the `signature` that is stored for it: its bytes, which its digest
    /// proves, are read for that.
    ///
    /// # Errors
    /// Why it is not run.
    pub(crate) fn check_stored(&self, store: &Store, digest: &str, signature: Option<&[u8]>) -> Result<(), Failure> {
        if *self == Self::Everybody {
            return Ok(());
        }
        self.check(&stored_bytes(store, digest)?, signature)
    }
}

/// The bytes of a stored module, if they are those that its digest names.
pub(super) fn stored_bytes(store: &Store, digest: &str) -> Result<Vec<u8>, Failure> {
    let bytes = store.policy_module_wasm(digest).map_err(|error| Failure::unreadable(&error))?;
    let bytes = bytes.ok_or_else(|| Failure::unavailable("the module is not in the database any more".to_owned()))?;
    if sha256_hex(&bytes) != digest {
        return Err(Failure::unavailable("its bytes were changed in the database: upload it again".to_owned()));
    }
    Ok(bytes)
}

/// A signature as it comes: its 64 bytes, or their base64.
///
/// # Errors
/// What is wrong with it.
pub fn read_signature(written: &[u8]) -> Result<Vec<u8>, String> {
    if written.len() == SIGNATURE_BYTES {
        return Ok(written.to_vec());
    }
    let unfit = || format!("this is no Ed25519 signature: {SIGNATURE_BYTES} bytes, or their base64");
    let text = std::str::from_utf8(written).map_err(|_| unfit())?;
    let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| unfit())?;
    if bytes.len() == SIGNATURE_BYTES { Ok(bytes) } else { Err(unfit()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn a_signature_is_of_these_bytes_by_a_trusted_key() {
        let (one, two) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let raw = BASE64_STANDARD.encode(one.verifying_key().as_bytes());
        let spki = BASE64_STANDARD.encode([&SPKI_PREFIX[..], one.verifying_key().as_bytes()].concat());
        assert_eq!(Trust::parse(std::slice::from_ref(&raw)), Trust::parse(&[spki]));
        let trust = Trust::parse(&[raw]).unwrap();
        let signature = one.sign(b"module").to_bytes();
        assert!(trust.check(b"module", Some(&signature)).is_ok());
        assert!(trust.check(b"another", Some(&signature)).is_err());
        assert!(trust.check(b"module", Some(&two.sign(b"module").to_bytes())).is_err());
        assert!(trust.check(b"module", Some(&signature[..63])).is_err());
        assert!(trust.check(b"module", Some(&[])).is_err());
        assert!(trust.check(b"module", None).is_err());
        for bit in 0..8 * SIGNATURE_BYTES {
            let mut other = signature;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(trust.check(b"module", Some(&other)).is_err(), "bit {bit}");
        }
        let nobody = Trust::Signers(Vec::new());
        assert!(nobody.check(b"module", Some(&signature)).is_err() && nobody.is_demanded());
        assert!(!Trust::default().is_demanded() && Trust::default().check(b"module", None).is_ok());
    }

    #[test]
    fn what_is_no_key_is_named() {
        for text in ["", "x", "AAAA", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"] {
            assert!(Trust::parse(&[text.to_owned()]).unwrap_err().contains("is no Ed25519 public key"), "{text}");
        }
        assert!(Trust::parse(&vec![String::new(); 33]).unwrap_err().contains("there may be 32"));
    }

    #[test]
    fn a_signature_comes_as_bytes_or_as_base64() {
        assert_eq!(read_signature(&[7; 64]).unwrap(), [7; 64]);
        assert_eq!(read_signature(format!("{}\n", BASE64_STANDARD.encode([7; 64])).as_bytes()).unwrap(), [7; 64]);
        for bad in [&b""[..], b"x", &[0xff; 63], BASE64_STANDARD.encode([7; 63]).as_bytes()] {
            assert!(read_signature(bad).is_err());
        }
    }
}
