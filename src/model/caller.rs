//! Who makes a request, as far as the transport knows it. Cheap to clone: every request carries it along.

use std::net::IpAddr;
use std::sync::Arc;

use super::id::Id;

/// The name of a request, its `X-Request-Id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestId {
    /// Made here: nobody outside has chosen it, so it can name a decision too.
    Own(Id),
    /// Sent along with the request.
    Sent(Arc<str>),
}

impl RequestId {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Own(id) => id.as_str(),
            Self::Sent(text) => text,
        }
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::Sent(Arc::default())
    }
}

/// What is known of whoever makes a request, before it says who it is.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The request's name.
    pub request_id: RequestId,
    /// Where it comes from; `None` over a socket in the file system, or where a proxy does not say.
    pub address: Option<IpAddr>,
    /// Its `User-Agent`, bounded.
    pub user_agent: Option<Arc<str>>,
}

impl Caller {
    /// The address as text.
    #[must_use]
    pub fn address_text(&self) -> Option<String> {
        self.address.map(|address| address.to_string())
    }
}

/// A caller's text that is safe to say back: printable, and short.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 100;
    // RFC 6749 5.2 allows neither quote nor backslash in error_description.
    let is_safe = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    if text.len() <= SHOWN_CHARS_MAX && text.bytes().all(is_safe) {
        return text.to_owned();
    }
    let shown = |c: char| u8::try_from(c).ok().filter(|b| is_safe(*b)).map_or('?', char::from);
    text.chars().take(SHOWN_CHARS_MAX).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_back_is_safe() {
        assert_eq!(printable("a\"\\\n\u{e4}b"), "a????b");
        assert_eq!(printable(&"x".repeat(500)).len(), 100);
    }
}
