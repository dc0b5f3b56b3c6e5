//! Forms that carry files: multipart bodies become the fields of a form, and its files.

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::asked::Pairs;
use super::draft::Form;
use crate::error::{Error, Result};

/// Fields that such a form has at most.
const PARTS_MAX: usize = 20;

pub(super) fn is_multipart(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.to_ascii_lowercase().starts_with("multipart/form-data"))
}

/// Reads a body that is here already, within its bound.
///
/// # Errors
/// `Malformed` when it is broken.
pub(super) async fn form(request: &HttpRequest, body: Bytes) -> Result<Form> {
    let broken = |error: MultipartError| Error::Malformed(format!("the form is broken: {error}"));
    let mut parts = Multipart::new(request.headers(), stream::iter([Ok(body)]));
    let mut pairs = Pairs::default();
    let mut files = Vec::new();
    while let Some(part) = parts.next().await {
        let mut part = part.map_err(broken)?;
        let name = part.name().unwrap_or_default().to_owned();
        let is_file = part.content_disposition().is_some_and(|disposition| disposition.get_filename().is_some());
        let bytes = read(&mut part).await.map_err(broken)?;
        if is_file {
            files.push((name, bytes));
        } else {
            pairs.0.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
        if pairs.0.len() + files.len() > PARTS_MAX {
            return Err(Error::TooLarge(format!("this form has at most {PARTS_MAX} fields")));
        }
    }
    Ok(Form::with_files(pairs, files))
}

async fn read(part: &mut Field) -> Result<Vec<u8>, MultipartError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = part.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.to_vec())
}
