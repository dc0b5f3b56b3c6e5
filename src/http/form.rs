//! Forms: urlencoded and multipart bodies become names and values. Nothing here knows what they mean.

use std::borrow::Cow;

use actix_multipart::Multipart;
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use percent_encoding::percent_decode;

use crate::error::{Error, OAuthCode, Result};
use crate::model::caller::printable;
use crate::token::request::{PARAMETERS_MAX, Parameter};

fn invalid(description: String) -> Error {
    Error::oauth(OAuthCode::InvalidRequest, description)
}

/// The parameters of a form, in order.
///
/// # Errors
/// `OAuth` `invalid_request`: another content type, text that is not UTF-8, or a multipart body that is broken.
pub(super) async fn parameters<'a>(request: &HttpRequest, body: &'a Bytes) -> Result<Vec<Parameter<'a>>> {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return urlencoded(body);
    }
    if essence.eq_ignore_ascii_case("multipart/form-data") {
        return Box::pin(multipart(request.headers(), body.clone())).await;
    }
    Err(invalid("send the parameters as application/x-www-form-urlencoded or multipart/form-data".to_owned()))
}

pub(crate) fn urlencoded(body: &[u8]) -> Result<Vec<Parameter<'_>>> {
    let pairs = body.split(|b| *b == b'&').filter(|pair| !pair.is_empty());
    pairs
        .take(PARAMETERS_MAX + 1)
        .map(|pair| {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = (&pair[..at], pair.get(at + 1..).unwrap_or_default());
            let name = decode(name).ok_or_else(|| invalid("the name of a parameter is not UTF-8".to_owned()))?;
            let value =
                decode(value).ok_or_else(|| invalid(format!("the parameter {} is not UTF-8", printable(&name))))?;
            Ok((name, value))
        })
        .collect()
}

/// One name or value of a urlencoded form; `None` when it is not UTF-8.
pub(super) fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.contains(&b'+') && !text.contains(&b'%') {
        return str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let spaced: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).ok().map(Cow::Owned)
}

pub(crate) async fn multipart(headers: &HeaderMap, body: Bytes) -> Result<Vec<Parameter<'static>>> {
    let broken = |error: actix_multipart::MultipartError| invalid(format!("the multipart body is broken: {error}"));
    // The body is here already, within its bound: a stream of one piece.
    let mut form = Multipart::new(headers, stream::iter([Ok(body)]));
    let mut parameters = Vec::new();
    while let Some(field) = form.next().await {
        let mut field = field.map_err(broken)?;
        let name = field.name().unwrap_or_default().to_owned();
        let mut value = BytesMut::new();
        while let Some(chunk) = field.next().await {
            value.extend_from_slice(&chunk.map_err(broken)?);
        }
        let value = String::from_utf8(value.to_vec())
            .map_err(|_| invalid(format!("the parameter {} is not UTF-8", printable(&name))))?;
        parameters.push((name.into(), value.into()));
        if parameters.len() > PARAMETERS_MAX {
            break;
        }
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plus_percent_and_broken_utf8() {
        let body = b"a=1+2%2B&b=%41%zz&c&&d=";
        let pairs = urlencoded(body).unwrap();
        let shown: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["a=1 2+", "b=A%zz", "c=", "d="]);
        assert!(urlencoded(b"a=%ff").is_err());
        assert!(urlencoded(b"\xff=1").is_err());
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = urlencoded(&body);
        }
    }
}
