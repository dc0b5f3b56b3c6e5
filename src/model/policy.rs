//! Policy: a module with settings, attached in one place.

use serde_json::{Map, Value, json};

use super::Resource;
use super::fields::{Fields, reference_name};

/// Largest `settings`, in bytes of JSON.
pub const SETTINGS_BYTES_MAX: usize = 256 * 1024;
/// Bounds of `order`.
const ORDER: std::ops::RangeInclusive<i64> = -1_000_000..=1_000_000;

/// Where a policy can be attached, in the order in which policies are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every token.
    Server,
    /// Tokens for one API.
    Api,
    /// Tokens that one client asks for.
    Client,
    /// Tokens about one service account.
    Account,
}

impl Level {
    /// Each with its word on the wire.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("server", Self::Server), ("api", Self::Api), ("client", Self::Client), ("account", Self::Account)];

    /// As written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Api => "api",
            Self::Client => "client",
            Self::Account => "account",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, level)| *level)
    }
}

/// What becomes of a policy's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is applied.
    Enforce,
    /// It is recorded beside the enforced result, and never applied.
    Shadow,
    /// It is not asked.
    Off,
}

impl Mode {
    /// Each with its word on the wire.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("enforce", Self::Enforce), ("shadow", Self::Shadow), ("off", Self::Off)];

    /// As written on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
            Self::Off => "off",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, mode)| *mode)
    }
}

/// Where a policy is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// To what kind of thing.
    pub level: Level,
    /// Its id; none for the server. As written by the caller, an id or a name, until the store resolves it.
    pub id: Option<String>,
}

/// A module, with what tells it what to do, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Unique.
    pub name: String,
    /// The module's digest. As written by the caller, a digest, a name or `name@version`, until the store
    /// resolves it.
    pub module_digest: String,
    /// What the module calls itself. Read-only.
    pub module_name: String,
    /// The version that the module says it has. Read-only.
    pub module_version: String,
    /// What the module is told with every request. The module has accepted them.
    pub settings: Map<String, Value>,
    /// Where it is attached.
    pub attached_to: Attachment,
    /// Policies at the same place are asked from the lowest to the highest.
    pub order: i64,
    /// What becomes of its answer.
    pub mode: Mode,
    /// An inactive policy is not asked.
    pub active: bool,
}

impl Policy {
    /// The settings as the module gets them.
    #[must_use]
    pub fn settings_text(&self) -> String {
        Value::Object(self.settings.clone()).to_string()
    }
}

impl Resource for Policy {
    const TYPE: &'static str = "Policy";
    const PLURAL: &'static str = "Policies";
    const WRITABLE: &'static [&'static str] =
        &["name", "moduleDigest", "settings", "attachedTo", "order", "mode", "active"];

    fn parse(fields: &mut Fields<'_>, current: Option<&Self>) -> Self {
        // Read-only, but allowed: a policy that was read can be sent back whole.
        fields.raw("moduleName");
        fields.raw("moduleVersion");
        Self {
            name: fields.text("name", reference_name),
            module_digest: fields.text("moduleDigest", reference_name),
            module_name: current.map(|current| current.module_name.clone()).unwrap_or_default(),
            module_version: current.map(|current| current.module_version.clone()).unwrap_or_default(),
            settings: fields.free_object_of("settings", SETTINGS_BYTES_MAX),
            attached_to: attachment(fields),
            order: fields.integer("order", ORDER, 0),
            mode: fields.choice("mode", Mode::WORDS, Mode::Enforce),
            active: fields.flag("active", true),
        }
    }

    fn members(&self) -> Map<String, Value> {
        let mut attached_to = json!({"type": self.attached_to.level.as_str()});
        if let (Some(id), Some(members)) = (&self.attached_to.id, attached_to.as_object_mut()) {
            members.insert("id".to_owned(), id.as_str().into());
        }
        let Value::Object(members) = json!({
            "name": self.name,
            "moduleDigest": self.module_digest,
            "moduleName": self.module_name,
            "moduleVersion": self.module_version,
            "settings": self.settings,
            "attachedTo": attached_to,
            "order": self.order,
            "mode": self.mode.as_str(),
            "active": self.active,
        }) else {
            return Map::new();
        };
        members
    }
}

/// What stands in place of an attachment that does not fit, until the violation ends the reading.
const SERVER: Attachment = Attachment { level: Level::Server, id: None };

fn attachment(fields: &mut Fields<'_>) -> Attachment {
    let read = |inner: &mut Fields<'_>| {
        let is_named = inner.raw("type").is_some();
        let level = inner.choice("type", Level::WORDS, Level::Server);
        let has_id = inner.raw("id").is_some();
        let id = inner.optional_text("id", reference_name);
        match (is_named, level, has_id) {
            (false, ..) => {
                inner.violate("type", "this member is required: server, api, client or account");
                return SERVER;
            }
            (true, Level::Server, true) => {
                inner.violate("id", "a policy of the server has no id: leave it out, or choose another type");
            }
            (true, Level::Server, false) => {}
            (true, _, false) => inner.violate("id", "this member is required"),
            (true, _, true) => return Attachment { level, id: Some(id.unwrap_or_default()) },
        }
        Attachment { level, id: None }
    };
    fields.object("attachedTo", read).unwrap_or(SERVER)
}
