//! Both slash forms of every path, without a redirect: `/api//v1/keys/` is `/api/v1/keys`.
//!
//! Where nothing has to change nothing is done: actix's own middleware runs a regular expression over every path,
//! 2.5 % of a token request.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;
use actix_web::middleware::Next;

pub(super) async fn normalize(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(uri) = normal(request.uri()) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

/// The address in its normal form; `None` when it has that already.
fn normal(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if path.len() <= 1 || !(path.ends_with('/') || path.contains("//")) {
        return None;
    }
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/{}{query}", names.join("/"))).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_merged_and_trimmed_and_queries_stay() {
        let normal = |text: &str| normal(&text.parse().unwrap()).map(|uri| uri.to_string());
        for same in ["/", "/a", "/a/b?c=/d//", "/a?b/"] {
            assert_eq!(normal(same), None, "{same}");
        }
        assert_eq!(normal("/a/").unwrap(), "/a");
        assert_eq!(normal("//a///b//?c=//d").unwrap(), "/a/b?c=//d");
        assert_eq!(normal("//").unwrap(), "/");
    }
}
