//! One key pair: making it, sealing its private half, and signing with it once it is prepared.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, EllipticCurveKeyType, Jwk,
    KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType, PublicKeyUse, RSAKeyParameters, RSAKeyType,
};
use serde_json::json;

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::model::api::SigningAlg;
use crate::model::id::Id;
use crate::secret::ServerKeys;
use crate::store::{KeyRow, KeyState};

/// A private key, parsed, with the encoded header of every token it signs.
pub(super) struct PreparedKey {
    header: String,
    private: Private,
}

pub(super) enum Private {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

fn failed(what: &str) -> impl Fn(&dyn std::fmt::Display) -> Error {
    move |error| Error::Internal(format!("{what}: {error}"))
}

/// The same algorithm in `jsonwebtoken`'s word.
pub(super) fn jwt_algorithm(alg: SigningAlg) -> Algorithm {
    match alg {
        SigningAlg::Rs256 => Algorithm::RS256,
        SigningAlg::Es256 => Algorithm::ES256,
        SigningAlg::EdDsa => Algorithm::EdDSA,
    }
}

/// What a sealed private key is bound to.
fn seal_context(kid: &Id) -> String {
    format!("signing key {kid}")
}

/// Makes a key pair. RSA takes some 100 ms: not for a request's path.
pub(super) fn generate(
    alg: SigningAlg,
    state: KeyState,
    clock: &Clock,
    now: Timestamp,
    server_keys: &ServerKeys,
) -> Result<KeyRow> {
    let kid = Id::new(clock, now);
    let (private, pkcs8) = new_pair(alg, clock)?;
    let public_jwk = public_jwk(&kid, alg, &private)?;
    Ok(KeyRow {
        private_sealed: server_keys.seal(&seal_context(&kid), &pkcs8)?,
        public_jwk,
        kid,
        alg,
        state,
        created_at: now,
        activated_at: (state == KeyState::Active).then_some(now),
        retired_at: None,
        remove_at: None,
    })
}

fn new_pair(alg: SigningAlg, clock: &Clock) -> Result<(Private, zeroize::Zeroizing<Vec<u8>>)> {
    let what = "a key pair cannot be made";
    let unspecified = |error: aws_lc_rs::error::Unspecified| failed(what)(&error);
    let (private, pkcs8) = match alg {
        SigningAlg::Rs256 => {
            let pair = clock.rsa_pair().map_err(unspecified)?;
            let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(unspecified)?;
            let pkcs8 = der.as_ref().to_vec();
            (Private::Rsa(pair), pkcs8)
        }
        SigningAlg::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(unspecified)?;
            let pkcs8 = pair.to_pkcs8v1().map_err(unspecified)?.as_ref().to_vec();
            (Private::P256(pair), pkcs8)
        }
        SigningAlg::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(unspecified)?;
            let pkcs8 = pair.to_pkcs8().map_err(unspecified)?.as_ref().to_vec();
            (Private::Ed25519(pair), pkcs8)
        }
    };
    Ok((private, zeroize::Zeroizing::new(pkcs8)))
}

/// The public half, as in the JWKS.
pub(super) fn public_jwk(kid: &Id, alg: SigningAlg, private: &Private) -> Result<serde_json::Value> {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let (algorithm, key_algorithm) = match private {
        Private::Rsa(pair) => {
            let public = pair.public_key();
            let parameters = RSAKeyParameters {
                key_type: RSAKeyType::RSA,
                n: encode(public.modulus().big_endian_without_leading_zero()),
                e: encode(public.exponent().big_endian_without_leading_zero()),
            };
            (AlgorithmParameters::RSA(parameters), KeyAlgorithm::RS256)
        }
        Private::P256(pair) => {
            // SEC 1 2.3.3: 0x04, then x and y.
            let Some((x, y)) = pair.public_key().as_ref().get(1..).and_then(|point| point.split_at_checked(32)) else {
                return Err(Error::Internal(format!("the {} public key has no coordinates", alg.as_str())));
            };
            let parameters = EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P256,
                x: encode(x),
                y: encode(y),
            };
            (AlgorithmParameters::EllipticCurve(parameters), KeyAlgorithm::ES256)
        }
        Private::Ed25519(pair) => {
            let parameters = OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x: encode(pair.public_key().as_ref()),
            };
            (AlgorithmParameters::OctetKeyPair(parameters), KeyAlgorithm::EdDSA)
        }
    };
    let common = CommonParameters {
        public_key_use: Some(PublicKeyUse::Signature),
        key_algorithm: Some(key_algorithm),
        key_id: Some(kid.to_string()),
        ..CommonParameters::default()
    };
    serde_json::to_value(Jwk { common, algorithm }).map_err(|error| failed("a JWK cannot be written")(&error))
}

impl PreparedKey {
    /// Opens and parses a stored key.
    pub(super) fn open(row: &KeyRow, server_keys: &ServerKeys) -> Result<Self> {
        let pkcs8 = server_keys.open(&seal_context(&row.kid), &row.private_sealed)?;
        let rejected = |error: aws_lc_rs::error::KeyRejected| failed("a stored private key is not one")(&error);
        let private = match row.alg {
            SigningAlg::Rs256 => Private::Rsa(RsaKeyPair::from_pkcs8(&pkcs8).map_err(rejected)?),
            SigningAlg::Es256 => {
                Private::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).map_err(rejected)?)
            }
            SigningAlg::EdDsa => Private::Ed25519(Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(rejected)?),
        };
        Ok(Self::new(row, private))
    }

    /// A key that is at hand, under the name of `row`.
    pub(super) fn new(row: &KeyRow, private: Private) -> Self {
        let header = json!({"typ": "at+jwt", "alg": row.alg.as_str(), "kid": row.kid.as_str()});
        Self { header: BASE64_URL_SAFE_NO_PAD.encode(header.to_string()), private }
    }

    /// The encoded JOSE header.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// The signature of `message` in the form of RFC 7518 3 (RFC 8037 3.1 for Ed25519).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let unspecified = |error: aws_lc_rs::error::Unspecified| failed("signing failed")(&error);
        match &self.private {
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).map_err(unspecified)?;
                Ok(signature)
            }
            Private::P256(pair) => Ok(pair.sign(&SystemRandom::new(), message).map_err(unspecified)?.as_ref().to_vec()),
            Private::Ed25519(pair) => Ok(pair.try_sign(message).map_err(unspecified)?.as_ref().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::master::MasterKey;

    #[test]
    fn every_algorithm_signs_what_its_public_key_verifies() {
        let clock = Clock::system();
        let server_keys = ServerKeys::derive(&MasterKey::from_bytes([7; 32])).unwrap();
        let others = ServerKeys::derive(&MasterKey::from_bytes([8; 32])).unwrap();
        for alg in SigningAlg::ALL {
            let row = generate(alg, KeyState::Active, &clock, clock.now(), &server_keys).unwrap();
            let key = PreparedKey::open(&row, &server_keys).unwrap();
            let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"me"}"#);
            let message = format!("{}.{claims}", key.header());
            let token = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap()));
            let jwk: Jwk = serde_json::from_value(row.public_jwk.clone()).unwrap();
            let mut validation = jsonwebtoken::Validation::new(jwt_algorithm(alg));
            validation.required_spec_claims.clear();
            validation.validate_exp = false;
            let decoding = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
            let decoded = jsonwebtoken::decode::<serde_json::Value>(&token, &decoding, &validation).unwrap();
            assert_eq!(decoded.claims["sub"], "me");
            assert_eq!(decoded.header.kid.as_deref(), Some(row.kid.as_str()));
            assert!(PreparedKey::open(&row, &others).is_err(), "another master key opens nothing");
        }
    }
}
