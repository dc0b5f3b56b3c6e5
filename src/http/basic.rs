//! HTTP Basic (RFC 7617) as OAuth clients use it (RFC 6749 2.3.1).

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::form::decode;
use crate::error::{Error, OAuthCode, Result};
use crate::model::machine_to_machine::AuthMethod;
use crate::secret::Secret;
use crate::token::request::UnverifiedClient;

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The readings of the `Authorization` header: form-decoded first, then raw where that differs. Empty without one.
///
/// # Errors
/// `OAuth`: `invalid_client` or `invalid_request`, with what is wrong.
pub(super) fn unverified_clients(request: &HttpRequest) -> Result<Vec<UnverifiedClient>> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else { return Ok(Vec::new()) };
    if headers.next().is_some() {
        return Err(Error::oauth(OAuthCode::InvalidRequest, "the Authorization header is sent twice: send it once"));
    }
    readings(header)
}

/// The readings of one header: one or two.
pub(crate) fn readings(header: &HeaderValue) -> Result<Vec<UnverifiedClient>> {
    let refused = |why: &str| Error::oauth(OAuthCode::InvalidClient, why);
    let text = header.to_str().map_err(|_| refused("the Authorization header is not ASCII"))?;
    let (scheme, encoded) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(refused(
            "a client authenticates here by HTTP Basic, or with client_id and client_secret in the body",
        ));
    }
    let decoded = BASE64.decode(encoded.trim()).map_err(|_| refused("HTTP Basic: what follows is not base64"))?;
    let decoded =
        Zeroizing::new(String::from_utf8(decoded).map_err(|_| refused("HTTP Basic: the credentials are not UTF-8"))?);
    let (id, secret) =
        decoded.split_once(':').ok_or_else(|| refused("HTTP Basic: there is no colon between client id and secret"))?;
    if id.is_empty() || secret.is_empty() {
        return Err(refused("HTTP Basic: client id and secret must not be empty"));
    }
    let reading = |id: String, secret: String| UnverifiedClient {
        client_id: id,
        secret: Secret::new(secret),
        method: AuthMethod::ClientSecretBasic,
    };
    let mut readings = Vec::with_capacity(2);
    if let (Some(form_id), Some(form_secret)) = (decode(id.as_bytes()), decode(secret.as_bytes()))
        && (form_id != id || form_secret != secret)
    {
        readings.push(reading(form_id.into_owned(), form_secret.into_owned()));
    }
    readings.push(reading(id.to_owned(), secret.to_owned()));
    Ok(readings)
}
