//! Settings → About: what runs here, where its data lies, and what the doctor says.

use maud::{Markup, html};

use crate::doctor::{self, Finding, Level};
use crate::error::Result;
use crate::files;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, sentence};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::icon::Icon;
use crate::http::console::parts::text;
use crate::http::console::view::View;
use crate::store::schema;

const PATH: &str = "/console/about";

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    let app = view.app;
    let config = app.config();
    let database = std::path::absolute(&config.database).unwrap_or_else(|_| config.database.clone());
    let bytes = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let size = bytes(&config.database);
    let log = bytes(&files::beside(&config.database, "-wal"));
    // It reads the whole database: asked for, not done in passing.
    let wanted = view.asked.query.value("check").is_some();
    let findings = wanted.then(|| doctor::examine(config, &app.clock).findings);
    let body = html! {
        div.stack {
            div.card {
                (text::facts(&[
                    ("Version", html! { "grantd " (env!("CARGO_PKG_VERSION")) }),
                    ("Issuer", text::copyable("the issuer", app.issuer())),
                    ("Token endpoint", text::copyable("the token endpoint", &format!("{}token", app.issuer()))),
                    ("Public keys", text::copyable("the address of the keys", &format!("{}.well-known/jwks.json", app.issuer()))),
                    ("Admin API", text::copyable("the admin API", &format!("{}/api/v1", app.public_url()))),
                ]))
            }
            div.card {
                (text::facts(&[
                    ("Database", html! { code { (database.display()) } }),
                    ("Size", html! { (megabytes(size)) span.quiet { ", and " (megabytes(log)) " of log that is folded back" } }),
                    ("Schema", html! { "version " (schema::VERSION) }),
                    ("Master key", html! { code { (app.master_key_source()) } p.hint { "Everything sealed in the database needs it: keep a copy elsewhere." } }),
                    ("Keys rotate", html! { "every " (config.keys.rotate_days) " days" }),
                ]))
            }
            section.card aria-labelledby="doctor" {
                header {
                    h2 #doctor { "Doctor" }
                    a.button href=(format!("{PATH}?check=1")) { @if findings.is_some() { "Look again" } @else { "Look everything over" } }
                }
                @match &findings {
                    None => { p.quiet { "Checks the database, the audit chain, file rights and the clock. On a large database this takes a while." } }
                    Some(findings) => (told(findings)),
                }
            }
        }
    };
    Ok(Page::new(Section::About, "About").body(body).into())
}

fn told(findings: &[Finding]) -> Markup {
    html! {
        ul.findings {
            @for finding in findings {
                li.care[finding.level == Level::Soon].bad[finding.level == Level::Problem] {
                    @if finding.level == Level::Fine { (Icon::Check) } @else { (Icon::Warning) }
                    div {
                        p { (sentence(&finding.what)) }
                        @if !finding.way_out.is_empty() { p.hint { (sentence(&finding.way_out)) } }
                    }
                }
            }
        }
    }
}

fn megabytes(bytes: u64) -> String {
    const KIB: u64 = 1024;
    match bytes {
        small if small < KIB * KIB => format!("{} KiB", small.div_ceil(KIB)),
        large => format!("{}.{} MiB", large / (KIB * KIB), large % (KIB * KIB) * 10 / (KIB * KIB)),
    }
}
