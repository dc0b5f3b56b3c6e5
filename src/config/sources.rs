//! Where settings come from beside defaults and flags: the configuration file, and the environment, in which
//! `GRANTD_LOG__LEVEL` is `log.level`. Each source has a name, so that an error can tell where a value stands.

use std::io::ErrorKind;
use std::path::Path;

use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use crate::error::{Error, Result};
use crate::secret::master::MASTER_KEY_VARIABLE;

/// The prefix of environment variables; `__` stands for the dot of a section.
const PREFIX: &str = "GRANTD_";
/// Variables with the prefix that are not configuration.
const OTHERS: &[&str] = &[
    MASTER_KEY_VARIABLE,
    "GRANTD_CONFIG",
    "GRANTD_SERVER",
    "GRANTD_TOKEN",
    "GRANTD_PROFILE",
    "GRANTD_CA_FILE",
    "GRANTD_CLIENT_ID",
    "GRANTD_CLIENT_SECRET",
];
/// Protocols of Kubernetes' Services.
const PROTOCOLS: &[&str] = &["TCP", "UDP", "SCTP"];

/// What a provider answers.
type Settings = std::result::Result<Map<Profile, Dict>, figment::Error>;

/// The configuration file, read once: it may be a pipe.
pub(super) struct File<'a> {
    path: &'a Path,
    settings: Dict,
}

impl<'a> File<'a> {
    /// `None` when there is no such file.
    ///
    /// # Errors
    /// `Setup`, naming the file, when it cannot be read or is not TOML.
    pub(super) fn read(path: &'a Path) -> Result<Option<Self>> {
        let name = path.display();
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| Error::Setup(format!("{name} cannot be read: {error}")))?,
        };
        let settings = Toml::from_str::<Dict>(&text);
        let settings = settings.map_err(|error| Error::Setup(format!("{name}: {}", error.to_string().trim_end())))?;
        Ok(Some(Self { path, settings }))
    }
}

impl Provider for File<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::from("TOML file", self.path)
    }

    fn data(&self) -> Settings {
        Ok(Profile::Default.collect(self.settings.clone()))
    }
}

/// One variable of the environment.
pub(super) struct Variable {
    name: String,
    path: String,
    value: Value,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Settings {
        Serialized::default(&self.path, &self.value).data()
    }
}

/// Every variable that is a setting, or is meant to be one. `known` has the settings there are.
pub(super) fn variables(known: &Dict) -> Vec<Variable> {
    let known = Value::from(known.clone());
    let given = Env::prefixed(PREFIX).split("__");
    let mut found = Vec::new();
    for (path, text) in given.iter() {
        let path = path.as_str();
        let name = format!("{PREFIX}{}", path.to_ascii_uppercase().replace('.', "__"));
        if OTHERS.contains(&name.as_str()) || is_of_a_service(&name, &text) {
            continue;
        }
        let value = value_of(&text, known.find_ref(path));
        found.push(Variable { name, path: path.to_owned(), value });
    }
    found
}

/// What Kubernetes puts into every container where there is a Service called `grantd`.
fn is_of_a_service(name: &str, text: &str) -> bool {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    // GRANTD_PORT=8420 is a mistake, GRANTD_PORT=tcp://10.0.0.1:8420 is not.
    let protocol = text.split_once("://").map(|(protocol, _)| protocol.to_ascii_uppercase());
    let is_link = protocol.is_some_and(|protocol| PROTOCOLS.contains(&protocol.as_str()));
    match name {
        "SERVICE_HOST" | "SERVICE_PORT" => true,
        "PORT" => is_link,
        _ => name.strip_prefix("SERVICE_PORT_").is_some_and(|port| !port.is_empty()) || is_of_a_port(name),
    }
}

/// `PORT_8420_TCP`, and that with `_PROTO`, `_PORT` or `_ADDR`.
fn is_of_a_port(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let (number, protocol, rest) = match parts.as_slice() {
        ["PORT", number, protocol, rest @ ..] => (number, protocol, rest),
        _ => return false,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && PROTOCOLS.contains(protocol) && matches!(rest, [] | ["PROTO" | "PORT" | "ADDR"])
}

/// What a variable holds, by what is wanted there: digits are a text where a text is, and a value, or several with
/// commas between them, is a list where a list is.
fn value_of(text: &str, wanted: Option<&Value>) -> Value {
    let Ok(read) = text.parse::<Value>();
    match wanted {
        Some(Value::String(..)) if !matches!(read, Value::String(..) | Value::Char(..)) => Value::from(text.trim()),
        Some(Value::Array(..)) if !matches!(read, Value::Array(..)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::from(items.map(str::to_owned).collect::<Vec<String>>())
        }
        _ => read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_says_of_a_service_is_no_setting() {
        for (name, text) in [
            ("GRANTD_PORT", "tcp://10.0.0.1:8420"),
            ("GRANTD_SERVICE_HOST", "10.0.0.1"),
            ("GRANTD_SERVICE_PORT", "8420"),
            ("GRANTD_SERVICE_PORT_HTTP", "8420"),
            ("GRANTD_PORT_8420_TCP", "tcp://10.0.0.1:8420"),
            ("GRANTD_PORT_8420_TCP_PROTO", "tcp"),
            ("GRANTD_PORT_8420_TCP_PORT", "8420"),
            ("GRANTD_PORT_53_UDP_ADDR", "10.0.0.1"),
        ] {
            assert!(is_of_a_service(name, text), "{name}");
        }
        for (name, text) in [
            ("GRANTD_PORT", "8420"),
            ("GRANTD_PORT", "http://10.0.0.1:8420"),
            ("GRANTD_PORTS", "tcp://10.0.0.1:8420"),
            ("GRANTD_SERVICE", "10.0.0.1"),
            ("GRANTD_SERVICE_HOSTS", "10.0.0.1"),
            ("GRANTD_SERVICE_PORT_", "1"),
            ("GRANTD_PORT_TCP", "1"),
            ("GRANTD_PORT_8420", "1"),
            ("GRANTD_PORT__TCP", "1"),
            ("GRANTD_PORT_8420_TCP_NAME", "1"),
            ("GRANTD_PORT_8420_TCP_PORT_X", "1"),
            ("GRANTD_PORT_84X0_TCP", "1"),
            ("GRANTD_LISTEN", "tcp://10.0.0.1:8420"),
        ] {
            assert!(!is_of_a_service(name, text), "{name}={text}");
        }
    }

    #[test]
    fn a_value_is_read_by_what_is_wanted() {
        let (word, number) = (Value::from("a"), Value::from(1_u8));
        let list = Value::from(vec!["a"]);
        for (text, wanted, value) in [
            ("123", Some(&word), Value::from("123")),
            (" 0123 ", Some(&word), Value::from("0123")),
            ("true", Some(&word), Value::from("true")),
            ("[::1]", Some(&word), Value::from("[::1]")),
            ("\"123\"", Some(&word), Value::from("123")),
            ("", Some(&word), Value::from("")),
            ("123", Some(&number), Value::from(123_u8)),
            ("10.0.0.0/8", Some(&list), Value::from(vec!["10.0.0.0/8"])),
            ("10.0.0.0/8, unix", Some(&list), Value::from(vec!["10.0.0.0/8", "unix"])),
            ("[10.0.0.0/8, fd00::/8]", Some(&list), Value::from(vec!["10.0.0.0/8", "fd00::/8"])),
            ("", Some(&list), Value::from(Vec::<String>::new())),
            ("123", None, Value::from(123_u8)),
        ] {
            assert_eq!(value_of(text, wanted), value, "{text:?} {wanted:?}");
        }
    }
}
