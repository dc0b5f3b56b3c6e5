//! What goes into a policy. The words are those of `policy.wit`.

use alloc::string::String;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// JSON text, parsed when somebody looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a type of your own.
    ///
    /// # Errors
    /// The text does not have that shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The members of an object. Whatever is no object has none.
    #[must_use]
    pub fn members(&self) -> Map<String, Value> {
        self.parse().unwrap_or_default()
    }
}

impl Default for Json {
    fn default() -> Self {
        Self(String::from("{}"))
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        use alloc::string::ToString;
        Self(value.to_string())
    }
}

/// Who the token is about: its `sub`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// 22 characters of `[0-9A-Za-z]`.
    pub id: String,
    /// Unique among accounts.
    pub user_name: String,
    /// For people.
    pub display_name: String,
    /// The account's own members.
    pub attributes: Json,
}

/// Who asks: the OAuth client, already authenticated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The OAuth `client_id`.
    pub client_id: String,
    /// For people.
    pub display_name: String,
    /// How it authenticated: `client_secret_basic` or `client_secret_post`.
    pub auth_method: String,
    /// The client's own members.
    pub attributes: Json,
}

/// What the token is for: the OAuth resource server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Api {
    /// Unique among APIs.
    pub app_id: String,
    /// The token's `aud`.
    pub audience: String,
    /// Every scope that the API defines, granted or not.
    pub scopes: Vec<String>,
    /// The API's own members.
    pub attributes: Json,
}

impl Request {
    /// The request as one JSON object, in the words of case files and decision records: `account.userName`,
    /// `context.time.hour`. Without the settings.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut context = Map::new();
        if let Some(time) = self.context.time {
            let Instant { unix_seconds, hour, minute, weekday } = time;
            context.insert(
                "time".into(),
                json!({"unixSeconds": unix_seconds, "hour": hour, "minute": minute, "weekday": weekday}),
            );
        }
        let texts = [
            ("requestId", &self.context.request_id),
            ("remoteAddress", &self.context.remote_address),
            ("userAgent", &self.context.user_agent),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                context.insert(name.into(), Value::from(text.as_str()));
            }
        }
        let parameters =
            self.context.parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        context.insert("parameters".into(), Value::Object(parameters.collect()));
        json!({
            "account": {
                "id": self.account.id,
                "userName": self.account.user_name,
                "displayName": self.account.display_name,
                "attributes": self.account.attributes.members(),
            },
            "client": {
                "clientId": self.client.client_id,
                "displayName": self.client.display_name,
                "authMethod": self.client.auth_method,
                "attributes": self.client.attributes.members(),
            },
            "api": {
                "appId": self.api.app_id,
                "audience": self.api.audience,
                "scopes": self.api.scopes,
                "attributes": self.api.attributes.members(),
            },
            "grantType": self.grant_type,
            "requested": self.requested,
            "offered": self.offered,
            "ttlSeconds": self.ttl_seconds,
            "context": context,
            "extra": self.extra.members(),
        })
    }

    /// A request that a policy which is written as text can be tried with when its settings are saved.
    #[must_use]
    pub fn sample() -> Self {
        let scopes = || ["read", "write"].map(String::from).to_vec();
        Self {
            account: Account { id: "0".repeat(22), user_name: "account".into(), ..Account::default() },
            client: Client {
                client_id: "client".into(),
                auth_method: "client_secret_basic".into(),
                ..Client::default()
            },
            api: Api { app_id: "api".into(), audience: "api".into(), scopes: scopes(), ..Api::default() },
            grant_type: "client_credentials".into(),
            offered: scopes(),
            ttl_seconds: 3600,
            ..Self::default()
        }
    }
}

/// A moment in UTC, truncated to the step that the manifest asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// Since 1970-01-01T00:00:00Z.
    pub unix_seconds: u32,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// Monday is 1, Sunday is 7.
    pub weekday: u8,
}

impl Instant {
    /// The moment that many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix_seconds(unix_seconds: u32) -> Self {
        let minutes = unix_seconds / 60;
        // 1970-01-01 was a Thursday. Each remainder is below 60, so each fits.
        let small = |number: u32| u8::try_from(number).unwrap_or(0);
        Self {
            unix_seconds,
            hour: small(minutes / 60 % 24),
            minute: small(minutes % 60),
            weekday: small((minutes / 1440 + 3) % 7 + 1),
        }
    }
}

/// The inputs that change from request to request: only those that the manifest lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// With [`Input::Time`](crate::Input::Time).
    pub time: Option<Instant>,
    /// With [`Input::RequestId`](crate::Input::RequestId).
    pub request_id: Option<String>,
    /// With [`Input::RemoteAddress`](crate::Input::RemoteAddress): an IP address without a port.
    pub remote_address: Option<String>,
    /// With [`Input::UserAgent`](crate::Input::UserAgent): its first 200 characters.
    pub user_agent: Option<String>,
    /// With [`Input::Parameter`](crate::Input::Parameter): name and value. The caller chose them.
    pub parameters: Vec<(String, String)>,
}

impl Context {
    /// A parameter of the token request, if it was sent.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// One token request, as far as it concerns a policy. `Request::default()` is where a test starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Who the token is about.
    pub account: Account,
    /// Who asks.
    pub client: Client,
    /// What the token is for.
    pub api: Api,
    /// `client_credentials`.
    pub grant_type: String,
    /// What the caller asked for; empty when it sent no scope.
    pub requested: Vec<String>,
    /// What the grants and the policies before this one left: the ceiling.
    pub offered: Vec<String>,
    /// The token's lifetime so far: the ceiling.
    pub ttl_seconds: u32,
    /// What changes from request to request.
    pub context: Context,
    /// The settings as text; [`Policy::evaluate`](crate::Policy::evaluate) gets them as a struct.
    pub settings: Json,
    /// What later versions of grantd add. Ignore what you do not know.
    pub extra: Json,
}
