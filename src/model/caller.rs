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
