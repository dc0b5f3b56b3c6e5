//! The document as one page of HTML: rendered here, with no script and nothing from elsewhere.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

const STYLE: &str = include_str!("page.css");

/// Nothing but the one style sheet that stands in the page.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The page of a document.
pub(super) fn of(document: &Value) -> String {
    page(document).into_string()
}

/// The answer that shows it.
pub(super) fn response(page: Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(page)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn members<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[member].as_object().into_iter().flat_map(Map::iter)
}

/// A text with what stands between backticks as code.
fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// What a `$ref` leads to, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"].as_str().and_then(|path| document.pointer(path.trim_start_matches('#')));
    target.unwrap_or(value)
}

fn page(document: &Value) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (text(&document["info"], "title")) " API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                nav {
                    h1 { (text(&document["info"], "title")) " " small { (text(&document["info"], "version")) } }
                    p { (text(&document["info"], "description")) " " a href="/openapi.json" { "openapi.json" } }
                    ul {
                        @for tag in items(document, "tags") {
                            li { a href={ "#" (text(tag, "name")) } { (text(tag, "name")) } " " (text(tag, "description")) }
                        }
                        li { a href="#schemas" { "Schemas" } }
                    }
                }
                main {
                    @for tag in items(document, "tags") { (group(document, tag)) }
                    section #schemas {
                        h2 { "Schemas" }
                        @for (name, schema) in members(&document["components"], "schemas") {
                            article id={ "schema-" (name) } { h3 { (name) } (described(document, schema)) }
                        }
                    }
                }
            }
        }
    }
}

fn group(document: &Value, tag: &Value) -> Markup {
    let name = text(tag, "name");
    let operations = members(document, "paths").flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flat_map(Map::iter);
        methods
            .filter(|(method, _)| !method.starts_with("x-"))
            .map(move |(method, operation)| (path, item, method, operation))
    });
    html! {
        section id=(name) {
            h2 { (name) }
            p { (text(tag, "description")) }
            @for (path, item, method, operation) in operations {
                @if operation["tags"][0] == name { (one(document, path, item, method, operation)) }
            }
        }
    }
}

fn one(document: &Value, path: &str, item: &Value, method: &str, operation: &Value) -> Markup {
    html! {
        article id=(text(operation, "operationId")) {
            h3 { span .method .(method) { (method.to_ascii_uppercase()) } " " code { (path) } }
            p { strong { (text(operation, "summary")) } }
            @for paragraph in text(operation, "description").split("\n\n").filter(|text| !text.is_empty()) { p { (prose(paragraph)) } }
            @if !items(item, "x-aliases").is_empty() {
                p .aliases { "Also at " @for alias in items(item, "x-aliases") { code { (alias.as_str().unwrap_or_default()) } " " } }
            }
            (parameters(document, operation))
            @for (kind, content) in members(&operation["requestBody"], "content") {
                h4 { "Body " code { (kind) } }
                (content_of(document, content))
            }
            h4 { "Answers" }
            @for (status, response) in members(operation, "responses") { (answer(document, status, response)) }
        }
    }
}

fn parameters(document: &Value, operation: &Value) -> Markup {
    let all: Vec<&Value> =
        items(operation, "parameters").iter().map(|parameter| resolved(document, parameter)).collect();
    html! {
        @if !all.is_empty() {
            h4 { "Parameters" }
            table {
                @for parameter in all {
                    tr {
                        td { code { (text(parameter, "name")) } " " small { (text(parameter, "in")) } }
                        td { (kind_of(document, &parameter["schema"])) }
                        td { (prose(text(parameter, "description"))) " e.g. " code { (shown(&parameter["example"])) } }
                    }
                }
            }
        }
    }
}

fn answer(document: &Value, status: &str, response: &Value) -> Markup {
    let response = resolved(document, response);
    html! {
        details {
            summary { b { (status) } " " (text(response, "description")) }
            @for (name, header) in members(response, "headers") {
                p { code { (name) } ": " (text(resolved(document, header), "description")) }
            }
            @for (kind, content) in members(response, "content") {
                p { code { (kind) } }
                (content_of(document, content))
            }
        }
    }
}

fn content_of(document: &Value, content: &Value) -> Markup {
    html! {
        p { (kind_of(document, &content["schema"])) }
        @if let Some(example) = content.get("example") { pre { (pretty(example)) } }
    }
}

fn described(document: &Value, schema: &Value) -> Markup {
    html! {
        p { (prose(text(schema, "description"))) }
        table {
            @for (name, member) in members(schema, "properties") {
                tr {
                    td { code { (name) } @if items(schema, "required").iter().any(|required| required == name) { " *" } }
                    td { (kind_of(document, member)) }
                    td {
                        (prose(text(resolved(document, member), "description")))
                        @if let Some(default) = member.get("default") { " Unless given: " code { (shown(default)) } "." }
                    }
                }
            }
        }
    }
}

/// A schema in a few words, with a link where it has a name.
fn kind_of(document: &Value, schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href={ "#schema-" (name) } { (name) } };
    }
    if schema["maxLength"] == 0 {
        return html! { "nothing" };
    }
    let ways = ["anyOf", "oneOf"].into_iter().flat_map(|name| items(schema, name));
    let ways: Vec<Markup> = ways.map(|way| kind_of(document, way)).collect();
    if !ways.is_empty() {
        return html! {
            @for (index, way) in ways.iter().enumerate() { @if index > 0 { " or " } (way) }
        };
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec!["anything"],
    };
    let words = items(schema, "enum");
    html! {
        (kinds.join(" or "))
        @if let Some(format) = schema["format"].as_str() { " (" (format) ")" }
        @if schema["items"].is_object() { " of " (kind_of(document, &schema["items"])) }
        @if !words.is_empty() { ": " (words.iter().map(shown).collect::<Vec<_>>().join(", ")) }
        @for (name, label) in [("minimum", "from"), ("maximum", "to"), ("minLength", "at least"), ("maxLength", "at most"), ("maxItems", "at most")] {
            @if let Some(bound) = schema.get(name) { " " (label) " " (shown(bound)) }
        }
        @if schema["properties"].is_object() { (described(document, schema)) }
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
