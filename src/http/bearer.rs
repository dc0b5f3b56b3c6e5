//! Bearer tokens in the `Authorization` header (RFC 6750 2.1). What one opens is not known here.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

/// The token, when there is one such header and its scheme is `Bearer`, in any case.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION);
    let text = all.next().filter(|_| all.next().is_none())?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
