//! The console's own files, embedded. Their address holds a hash of all of them, so that a browser keeps each for
//! good and a new grantd is never shown with an old one's style.

use std::sync::OnceLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use aws_lc_rs::digest;

use super::answer::with_headers;
use crate::http::error::wrong_method;

/// Name, content type, text.
const FILES: &[(&str, &str, &str)] = &[
    ("console.css", "text/css; charset=utf-8", include_str!("assets/console.css")),
    ("console.js", "text/javascript; charset=utf-8", include_str!("assets/console.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// Eight characters that change with any of the files.
fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut context = digest::Context::new(&digest::SHA256);
        for (_, _, text) in FILES {
            context.update(text.as_bytes());
        }
        context.finish().as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

/// The address of a file.
pub(super) fn path(name: &str) -> String {
    format!("/console/assets/{}/{name}", version())
}

pub(super) fn resource() -> actix_web::Resource {
    web::resource("/assets/{version}/{name}")
        .route(web::get().to(file))
        .route(web::head().to(file))
        .default_service(wrong_method("GET, HEAD"))
}

async fn file(asked: web::Path<(String, String)>) -> HttpResponse {
    let (asked_version, name) = asked.into_inner();
    let Some((_, content_type, text)) = FILES.iter().find(|(known, _, _)| *known == name) else {
        return HttpResponse::NotFound().finish();
    };
    // Another version's address is answered with today's file, but not for good.
    let keep = if asked_version == version() { "public, max-age=31536000, immutable" } else { "no-store" };
    let mut response = HttpResponse::Ok();
    with_headers(&mut response);
    response
        .insert_header((header::CONTENT_TYPE, *content_type))
        .insert_header((header::CACHE_CONTROL, keep))
        .body(*text)
}
