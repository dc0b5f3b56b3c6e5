//! The floor: the least that a token endpoint can do on grantd's HTTP stack. It parses the form, writes claims of
//! realistic size, signs them with a key prepared once, and answers in grantd's shape.
//!
//! It deliberately has no store, no check of the client, no policy, no record, no log: those are what is measured.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use clap::ValueEnum as _;

use crate::{Alg, Fallible};

/// The hidden first argument that turns the benchmark's executable into the floor; algorithm and port follow.
pub(crate) const ARGUMENT: &str = "floor";

const SIGNATURE_BYTES_MAX: usize = 256;

/// Runs the floor until SIGTERM or until standard input ends, so that it never outlives the benchmark. Prints its port.
pub(crate) fn serve(mut arguments: impl Iterator<Item = String>) -> Fallible<()> {
    let alg = Alg::from_str(&arguments.next().ok_or("the floor needs an algorithm")?, true)?;
    let port: u16 = arguments.next().ok_or("the floor needs a port")?.parse()?;
    let state = web::Data::new(Floor::new(alg)?);

    std::thread::spawn(|| {
        let ended = std::io::stdin().read(&mut [0]);
        std::process::exit(i32::from(ended.is_err()));
    });
    actix_web::rt::System::new().block_on(async move {
        let server =
            HttpServer::new(move || App::new().app_data(state.clone()).route("/oauth2/token", web::post().to(token)))
                .workers(1)
                .shutdown_timeout(1)
                .bind(("127.0.0.1", port))?;
        println!("{}", server.addrs().first().ok_or("the floor has no address")?.port());
        std::io::stdout().flush()?;
        Ok(server.run().await?)
    })
}

struct Floor {
    key: Key,
    /// The JOSE header, encoded once: it is the same in every token.
    header: String,
    issued: AtomicU64,
}

enum Key {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair, SystemRandom),
    Rs256(RsaKeyPair, SystemRandom),
}

impl Floor {
    fn new(alg: Alg) -> Fallible<Self> {
        let key = match alg {
            Alg::EdDsa => Key::EdDsa(Ed25519KeyPair::generate()?),
            Alg::Es256 => Key::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?, SystemRandom::new()),
            Alg::Rs256 => Key::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?, SystemRandom::new()),
        };
        let header = format!(r#"{{"alg":"{}","kid":"AZrfloorKeyIdOf22Chars","typ":"at+jwt"}}"#, alg.name());
        Ok(Self { key, header: BASE64_URL_SAFE_NO_PAD.encode(header), issued: AtomicU64::new(0) })
    }

    /// A signed JWT with the claims of design section 3, the `jti` from a counter.
    fn sign(&self, client_id: &str, scope: &str) -> Fallible<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let jti = self.issued.fetch_add(1, Ordering::Relaxed);
        let claims = format!(
            r#"{{"iss":"http://127.0.0.1:8420/oauth2/","sub":"AZrfloorAccountOf22Char","aud":"myrestapi","client_id":"{client_id}","iat":{now},"nbf":{now},"exp":{},"jti":"{jti:022}","scope":"{scope}","scp":["{scope}"]}}"#,
            now + 3600
        );
        let mut jwt = String::with_capacity(1024);
        jwt.push_str(&self.header);
        jwt.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut jwt);
        let mut buffer = [0; SIGNATURE_BYTES_MAX];
        let length = self.key.sign(jwt.as_bytes(), &mut buffer)?;
        jwt.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(&buffer[..length], &mut jwt);
        Ok(jwt)
    }
}

impl Key {
    /// The length of the signature that now begins `buffer`.
    fn sign(&self, message: &[u8], buffer: &mut [u8; SIGNATURE_BYTES_MAX]) -> Fallible<usize> {
        let signature = match self {
            Self::EdDsa(pair) => pair.sign(message),
            Self::Es256(pair, random) => pair.sign(random, message)?,
            Self::Rs256(pair, random) => {
                let length = pair.public_modulus_len();
                pair.sign(&RSA_PKCS1_SHA256, random, message, &mut buffer[..length])?;
                return Ok(length);
            }
        };
        buffer[..signature.as_ref().len()].copy_from_slice(signature.as_ref());
        Ok(signature.as_ref().len())
    }
}

async fn token(state: web::Data<Floor>, body: web::Bytes) -> HttpResponse {
    let [mut grant_type, mut client_id, mut client_secret, mut scope] = [const { None }; 4];
    for (name, value) in form_urlencoded::parse(&body) {
        match name.as_ref() {
            "grant_type" => grant_type = Some(value),
            "client_id" => client_id = Some(value),
            "client_secret" => client_secret = Some(value),
            "scope" => scope = Some(value),
            _ => {}
        }
    }
    let (Some("client_credentials"), Some(client_id), Some(_), Some(scope)) =
        (grant_type.as_deref(), client_id, client_secret, scope)
    else {
        return HttpResponse::BadRequest().finish();
    };
    let Ok(jwt) = state.sign(&client_id, &scope) else { return HttpResponse::InternalServerError().finish() };
    let mut answer = String::with_capacity(jwt.len() + 128);
    // Writing into a String cannot fail.
    let _ = write!(
        answer,
        r#"{{"access_token":"{jwt}","expires_in":3600,"refresh_expires_in":0,"scope":"{scope}","token_type":"bearer"}}"#
    );
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(answer)
}
