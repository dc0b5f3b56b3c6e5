//! A request as the console sees it: taken apart once, and free to move to another thread.

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::http::context;
use crate::model::caller::Caller;

/// What needs no escape in a query's value.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A request's parts.
pub(super) struct Asked {
    /// As sent, without the query.
    pub(super) path: String,
    /// What stands in the braces of its route's path.
    pub(super) parameters: Vec<(String, String)>,
    /// Its query, decoded.
    pub(super) query: Pairs,
    /// Its id, and where it came from.
    pub(super) caller: Caller,
    pub(super) host: String,
    pub(super) origin: Option<String>,
    /// `Sec-Fetch-Site`: what the browser says of who made it send this.
    pub(super) fetch_site: Option<String>,
    /// `Sec-Purpose`: set when the browser only fetches ahead.
    pub(super) is_prefetch: bool,
    cookies: String,
}

/// Names and values, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl Pairs {
    /// Reads the urlencoded form. What is not UTF-8 in it turns into replacement characters.
    pub(super) fn parse(text: &str) -> Self {
        let pairs = actix_web::web::Query::<Vec<(String, String)>>::from_query(text);
        Self(pairs.map(actix_web::web::Query::into_inner).unwrap_or_default())
    }

    /// The last value of that name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// As a query string, without the names in `without` and with `with` at its end; empty ones are left out.
    pub(super) fn to_query(&self, without: &[&str], with: &[(&str, &str)]) -> String {
        let kept = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, _)| !without.contains(name));
        let pairs = kept.chain(with.iter().copied()).filter(|(_, value)| !value.is_empty());
        let parts: Vec<String> = pairs.map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        parts.join("&")
    }
}

/// A text as a part of a URL's query.
pub(super) fn escape(text: &str) -> String {
    utf8_percent_encode(text, UNESCAPED).to_string()
}

impl Asked {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let header = |name: &str| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let parameters = request.match_info().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            path: request.path().to_owned(),
            parameters: parameters.collect(),
            query: Pairs::parse(request.query_string()),
            caller: context::caller(request),
            host: context::host(request).to_owned(),
            origin: header("origin"),
            fetch_site: header("sec-fetch-site"),
            is_prefetch: header("sec-purpose").is_some_and(|purpose| purpose.contains("prefetch")),
            cookies: cookies(request),
        }
    }

    /// The cookie of that name, decoded.
    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        let pairs = self.cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.into_iter().find(|(known, _)| *known == name)?;
        percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    }

    /// The path with the query: where to come back to.
    pub(super) fn place(&self) -> String {
        let query = self.query.to_query(&[], &[]);
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}

/// Every cookie, as one field would have them: HTTP/2 may send each by itself (RFC 9113 8.2.3).
fn cookies(request: &HttpRequest) -> String {
    let fields = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
    fields.collect::<Vec<_>>().join("; ")
}

/// A place to go on to after signing in: a path of the console and nothing else.
pub(super) fn safe_place(unverified: Option<&str>) -> &str {
    let is_ours = |text: &&str| {
        let rest = text.strip_prefix("/console");
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            && text.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'\\')
    };
    unverified.filter(is_ours).unwrap_or("/console")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_paths_of_the_console() {
        for good in ["/console", "/console/audit?q=a%20b", "/console?x=1"] {
            assert_eq!(safe_place(Some(good)), good);
        }
        for bad in
            ["//evil.example", "https://evil.example", "/consoles", "/console/\\evil", "/console/a\r\nb", "", "/"]
        {
            assert_eq!(safe_place(Some(bad)), "/console", "{bad:?}");
        }
        assert_eq!(safe_place(None), "/console");
    }

    #[test]
    fn cookies_of_several_fields_are_one_list_and_the_target_names_the_host() {
        let request = actix_web::test::TestRequest::with_uri("https://a.example/console")
            .append_header((COOKIE, "a=1; b=2"))
            .append_header((COOKIE, "c=%33"))
            .append_header((COOKIE, "d=4"))
            .append_header(("host", "b.example"))
            .to_http_request();
        let asked = Asked::of(&request);
        assert_eq!(asked.cookies, "a=1; b=2; c=%33; d=4");
        assert_eq!((asked.cookie("b").as_deref(), asked.cookie("c").as_deref()), (Some("2"), Some("3")));
        assert_eq!((asked.cookie("e"), asked.host.as_str()), (None, "a.example"));
    }

    #[test]
    fn queries_are_written_as_they_are_read() {
        let pairs = Pairs::parse("q=a%26b+c&page=2&empty=");
        assert_eq!(pairs.value("q"), Some("a&b c"));
        assert_eq!(pairs.to_query(&["page"], &[("page", "3")]), "q=a%26b%20c&page=3");
        assert_eq!(Pairs::parse(&pairs.to_query(&[], &[])).value("q"), Some("a&b c"));
    }
}
