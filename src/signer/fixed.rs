//! The signing keys of `grantd dev --fixed-keys`: the same on every machine and in every run, so that tests can keep
//! verifiers, and even tokens, from one run to the next. Everybody knows them: they are never stored, and no server
//! but `dev` can be made to sign with them.

use aws_lc_rs::digest;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::key::{self, PreparedKey, Private};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::api::SigningAlg;
use crate::model::id::Id;
use crate::store::{KeyRow, KeyState};

/// An RSAPrivateKey (RFC 8017 A.1.2), since RSA keys are not made from a seed here. Its primes are the first above
/// SHAKE-256 of "grantd insecure fixed key RS256 p" and "… q", 128 bytes with the two highest bits set.
const RSA: &str = "MIIEpAIBAAKCAQEAxVdusKDB82vUAJea6g+CWPk5+wQ5T0KH+bIrJMruiimbzPgUtEfVyUicCVmzJn7BnMg+cPaeRZAnDBKVEY4Ypk3d2OmR\
    1QmSpa9G/Cp3hT/xITYRsAvUiS2K/biLdEnXc0JJRs8JXCutX6VScYkin4wrZfqKDf1fXIuT8/TC8P85V2vz4Xhi972C53P25cH9HkfRg+17\
    CgN1E4G6nzu2vWM4E3rNewspLmq+ynl3oCi25eLY+XbSyxc5JMJf699p0Yt3v3643YiS70oFAUXfEflvUq+r2CkF1bUgmqinaGz8M9qa//xp\
    MiMJa4BtsT8ltlXq/8RpybzPj3i6nf2qRwIDAQABAoIBAEFMWIKWdwbqb5iQkcCQSDPTp+VQ9PuuiprLYy5F/d92vCh7EDLFME7tuT/4z+hV\
    ehA8TDkJyb4/4EPE5FGOQMbKrjVHuCsTg1RSprzq+mh7i3jPUNP9XiLUEJE63t4oTuPDE8cb27+FblVfOWP7GhtMANI6MDNH2yWew+Kt41Fl\
    tPurmqf/CA52jgTezxuaapY14cX7qaXbtYOfj+4tjsb3VElsehFM66o6O3GwVvmB4OdOCHpV27zaB18rqupbrQ5sDKq/xQPJyl+fqDj5x5ou\
    5tz/vs1P/pJ4CjhXPC7P0TAOizCpHr2//iPEipK7IpiyYuwX4rPbzLiJHEeIF7kCgYEA9o8n0qSWYQkPxFhqcgnHR3NywruY3OAlLWDC68FR\
    qRg9sSEYyPQ7voSyar3atbr6D48wUqwGofyq0PuDqHk4f/DvVFijMXw85pbP48KwzI2rhVR5IX0rQwXQPR5vH4XfeVi6gjN3PN2GFIbluK8n\
    1gnm4/5MSOBUx0kmJBXatZ8CgYEAzOXUvqDhv0ldRODZRY4r5jtqdqzUzV230441JFnPJmNrmW/BjoBpd8/nqK/jNqBIixlAoB2uu7uCLcVH\
    W1+de3gD6QEUlfVtt6BdL33emwOUzB8PPNYe/+p0TQlI4I8AhESmDXas86HN1kd7Xchln183cot0qQcgMPmMy5yhulkCgYEAqrAsR309xet6\
    CNmUx2HRnbtkxT8N8ksSMbn89y0cFU3813UsLWI3QgunYJISqSDKIJ9mOrVw2g+LSaX1XVqeLKRlayT5xTZXCuN5BBoyP0oMZf825GI84udR\
    ZB5/m3kYXm94ns52S6KoQempexN3JowwVcIkmYcD6frP9sdSY80CgYAHJAtiCWFUtU3W1K89yVKmV3PCZwuTjKyXZuFbPvYFNHnPgyGPwdHr\
    Jwe/zUFx6ewdTOf/rIkmacaDqdhuyspGP0yDllINV9xXBfO5b/2OEXXiF0MEr8Gs0ZL0DFrJ2LH/6hSPa49jfkQaL6uQ/Sbtgvf/ufR635Cz\
    pD7P6cmJIQKBgQDQsJd5hJNcHP+95v7RrFh6FJqsJZ64RMB01EuAnA4MuNMXW+DlCIBg82GAh5Yo8IcgDHrDOzyBlujRCT4bma7SCf6J1igq\
    wKD4XZope/Kkj8/VGZ/4PBmPI5JKhBGuTpVPt6ySbe+Y58zP5hdPkuYjcHigGR8UUFW/MyFkpL+xPA==";

/// RFC 5915 3, up to the private key, and after it the name of the curve.
const P256_HEAD: &[u8] = &[0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
const P256_TAIL: &[u8] = &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The key of `alg`, and how it is shown.
pub(super) fn key(alg: SigningAlg) -> Result<(KeyRow, PreparedKey)> {
    let unfit = |error: &dyn std::fmt::Display| Error::Internal(format!("a fixed key is not one: {error}"));
    let rejected = |error: aws_lc_rs::error::KeyRejected| unfit(&error);
    let seed = digest::digest(&digest::SHA256, format!("grantd insecure fixed key {}", alg.as_str()).as_bytes());
    let (kid, private) = match alg {
        SigningAlg::Rs256 => {
            let der = BASE64_STANDARD.decode(RSA).map_err(|error| unfit(&error))?;
            ("InsecureFixedKey0RS256", Private::Rsa(RsaKeyPair::from_der(&der).map_err(rejected)?))
        }
        SigningAlg::Es256 => {
            let der = [P256_HEAD, seed.as_ref(), P256_TAIL].concat();
            let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(rejected)?;
            ("InsecureFixedKey0ES256", Private::P256(pair))
        }
        SigningAlg::EdDsa => {
            let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref()).map_err(rejected)?;
            ("InsecureFixedKey0EdDSA", Private::Ed25519(pair))
        }
    };
    let kid = Id::parse(kid).ok_or_else(|| unfit(&"its name"))?;
    let since = Timestamp::from_ms(0);
    let row = KeyRow {
        public_jwk: key::public_jwk(&kid, alg, &private)?,
        private_sealed: Vec::new(),
        alg,
        state: KeyState::Active,
        created_at: since,
        activated_at: Some(since),
        retired_at: None,
        remove_at: None,
        kid,
    };
    let prepared = PreparedKey::new(&row, private);
    Ok((row, prepared))
}
