//! Configuration: defaults < `grantd.toml` < `GRANTD_*` < flags, one struct for each concern.
//!
//! An unknown key is an error that names the nearest known one. `examples/grantd.toml` lists them all.

mod decisions;
mod issuer;
mod limits;
mod log;
mod mistakes;
mod policies;
mod sources;
mod throttle;
mod tls;
mod token;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::providers::Serialized;
use figment::value::{Dict, Value};
use figment::{Figment, Provider};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::forwarded::TrustedProxies;
use mistakes::{find_unknown, in_words};

pub use decisions::DecisionsConfig;
pub use issuer::AliasIssuer;
pub use limits::LimitsConfig;
pub use log::{LogConfig, LogFormat};
pub use policies::PoliciesConfig;
pub use throttle::{QuotaMode, ThrottleConfig};
pub use tls::TlsConfig;
pub(crate) use tls::TlsFiles;
pub use token::{ExcessScope, KeysConfig, TokenConfig};

/// The file that is read when it is there and no other is named.
pub const FILE_DEFAULT: &str = "grantd.toml";

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The database file; its master key stands beside it unless said otherwise.
    pub database: PathBuf,
    /// `ADDRESS:PORT` (port 0 takes a free one) or `unix:PATH`.
    pub listen: String,
    /// The URL that clients reach this server by, without a path. Follows from `listen` when it is not set.
    pub public_url: Option<String>,
    /// Other URLs that clients reach it by.
    pub issuer_aliases: Vec<String>,
    /// The issuer that metadata and tokens name there.
    pub alias_issuer: AliasIssuer,
    /// The certificate that it shows.
    pub tls: TlsConfig,
    /// Reverse proxies whose `X-Forwarded-For` is believed: addresses, networks, and `unix` for whoever connects to a
    /// Unix socket.
    pub trusted_proxies: Vec<String>,
    /// The file with the master key.
    pub master_key_file: Option<PathBuf>,
    /// Threads that serve requests; as many as there are cores when it is not set.
    pub workers: Option<usize>,
    /// How token requests are answered.
    pub token: TokenConfig,
    /// The lives of signing keys.
    pub keys: KeysConfig,
    /// Bounds.
    pub limits: LimitsConfig,
    /// The policy sandbox.
    pub policies: PoliciesConfig,
    /// The record of every token request.
    pub decisions: DecisionsConfig,
    /// How often one may fail to authenticate, and how many tokens a client may ask for.
    pub throttle: ThrottleConfig,
    /// The console, and how long one stays signed in to it.
    pub console: ConsoleConfig,
    /// Ways of other servers.
    pub compat: CompatConfig,
    /// Logs.
    pub log: LogConfig,
}

/// The console.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Minutes without a request after which one must sign in again.
    pub session_idle_minutes: u32,
    /// Hours after which one must sign in again in any case.
    pub session_hours: u32,
}

/// Ways of other servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompatConfig {
    /// Prints Crossid's constant in `refresh_expires_in`.
    pub crossid: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database: PathBuf::from("grantd.db"),
            listen: "127.0.0.1:8420".to_owned(),
            public_url: None,
            issuer_aliases: Vec::new(),
            alias_issuer: AliasIssuer::Fixed,
            tls: TlsConfig::default(),
            trusted_proxies: Vec::new(),
            master_key_file: None,
            workers: None,
            token: TokenConfig::default(),
            keys: KeysConfig::default(),
            limits: LimitsConfig::default(),
            policies: PoliciesConfig::default(),
            decisions: DecisionsConfig::default(),
            throttle: ThrottleConfig::default(),
            console: ConsoleConfig::default(),
            compat: CompatConfig::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self { enabled: true, session_idle_minutes: 60, session_hours: 12 }
    }
}

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Config {
    /// Reads every source. `file` is an error when it does not exist; the default file may be absent.
    ///
    /// # Errors
    /// `Setup`: what is wrong, where, and the nearest thing that would be right.
    pub fn load(file: Option<&Path>, flags: &Dict) -> Result<Self> {
        let path = file.unwrap_or(Path::new(FILE_DEFAULT));
        let known = Self::known();
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        let is_hidden = file.is_none() && Self::is_default_file_hidden();
        let found = if is_hidden { None } else { sources::File::read(path)? };
        match found {
            Some(found) => figment = figment.merge(found),
            None if file.is_none() => {}
            None => return Err(Error::Setup(format!("there is no configuration file {}", path.display()))),
        }
        for variable in sources::variables(&known) {
            figment = figment.merge(variable);
        }
        figment = figment.merge(Serialized::globals(flags));
        Self::check_names(&figment, &known)?;
        let config: Self = figment.extract().map_err(|error| Error::Setup(in_words(error)))?;
        config.check()?;
        Ok(config)
    }

    /// Whether nobody can tell if the default file is there, since the current directory may not be searched: what is
    /// started by another user's hand need not be about that directory. [`Config::load`] takes it for absent then, which
    /// whoever calls it is to say.
    #[must_use]
    pub fn is_default_file_hidden() -> bool {
        let meta = Path::new(FILE_DEFAULT).symlink_metadata();
        meta.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    /// Every key there is, with its default.
    fn known() -> Dict {
        // Options that are not set serialize as nothing: these values only stand for their keys.
        let full = Self {
            public_url: Some(String::new()),
            master_key_file: Some(PathBuf::new()),
            workers: Some(1),
            tls: TlsConfig { cert: Some(PathBuf::new()), key: Some(PathBuf::new()), allow_plain: false },
            policies: PoliciesConfig { concurrent: Some(1), ..PoliciesConfig::default() },
            ..Self::default()
        };
        Value::serialize(full).ok().and_then(Value::into_dict).unwrap_or_default()
    }

    fn check_names(figment: &Figment, known: &Dict) -> Result<()> {
        let data = figment.data().map_err(|error| Error::Setup(in_words(error)))?;
        let mut unknown = Vec::new();
        for (key, value) in data.values().flatten() {
            find_unknown(key, value, known, "", &mut unknown);
        }
        if unknown.is_empty() { Ok(()) } else { Err(Error::Setup(unknown.join("\n"))) }
    }

    /// Checks what types cannot, also for programs that fill in the struct themselves.
    ///
    /// # Errors
    /// `Setup`: the setting that does not fit.
    pub(crate) fn check(&self) -> Result<()> {
        self.listen_address()?;
        let files = [
            ("database", Some(&self.database)),
            ("master_key_file", self.master_key_file.as_ref()),
            ("tls.cert", self.tls.cert.as_ref()),
            ("tls.key", self.tls.key.as_ref()),
        ];
        if let Some((key, _)) = files.iter().find(|(_, file)| file.is_some_and(|file| file.as_os_str().is_empty())) {
            return Err(Error::Setup(format!("{key} is empty: name a file")));
        }
        let zero = [
            ("workers", self.workers == Some(0)),
            ("keys.rotate_days", self.keys.rotate_days == 0),
            ("keys.announce_hours", self.keys.announce_hours == 0),
            ("limits.clients_cached", self.limits.clients_cached == 0),
            ("limits.page_cache_kib", self.limits.page_cache_kib == 0),
            ("limits.connections", self.limits.connections == 0),
            ("limits.connections_per_address", self.limits.connections_per_address == 0),
            ("limits.requests", self.limits.requests == 0),
            ("limits.request_head_seconds", self.limits.request_head_seconds == 0),
            ("limits.answer_seconds", self.limits.answer_seconds == 0),
            ("limits.keep_alive_seconds", self.limits.keep_alive_seconds == 0),
            ("limits.shutdown_seconds", self.limits.shutdown_seconds == 0),
            ("limits.slow_hashes", self.limits.slow_hashes == 0),
            ("console.session_idle_minutes", self.console.session_idle_minutes == 0),
            ("console.session_hours", self.console.session_hours == 0),
        ];
        if let Some((key, _)) =
            zero.iter().chain(&self.decisions.zero()).chain(&self.throttle.zero()).find(|(_, is_zero)| *is_zero)
        {
            return Err(Error::Setup(format!("{key} must be at least 1")));
        }
        self.proxies()?;
        let misfits = [self.policies.misfit(), self.tls.misfit(), self.log.misfit(), self.limits.misfit()];
        if let Some(misfit) = misfits.into_iter().flatten().next() {
            return Err(Error::Setup(misfit));
        }
        if self.keys.announce_hours >= self.keys.rotate_days.saturating_mul(24) {
            return Err(Error::Setup("keys.announce_hours must be less than keys.rotate_days".to_owned()));
        }
        self.check_urls()
    }

    /// The reverse proxies that are believed.
    ///
    /// # Errors
    /// `Setup` with the one that is none.
    pub(crate) fn proxies(&self) -> Result<TrustedProxies> {
        TrustedProxies::parse(&self.trusted_proxies).map_err(|what| Error::Setup(format!("trusted_proxies: {what}")))
    }

    /// Where to listen.
    ///
    /// # Errors
    /// `Setup` when it is neither an address nor a socket.
    pub fn listen_address(&self) -> Result<ListenAddress> {
        match self.listen.strip_prefix("unix:") {
            Some("") => {
                let text = "listen: name the socket's path, like unix:/run/grantd.sock";
                return Err(Error::Setup(text.to_owned()));
            }
            Some(path) => return Ok(ListenAddress::Unix(PathBuf::from(path))),
            None => {}
        }
        self.listen.replace("localhost:", "127.0.0.1:").parse().map(ListenAddress::Tcp).map_err(|_| {
            Error::Setup(format!(
                "listen: {:?} is not an ADDRESS:PORT like 127.0.0.1:8420, and not unix:PATH",
                self.listen
            ))
        })
    }

    /// The URL that clients reach a server on `listening` by, without a slash at its end.
    #[must_use]
    pub fn public_url(&self, listening: &ListenAddress) -> String {
        let scheme = if self.tls.is_on() { "https" } else { "http" };
        match (&self.public_url, listening) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, ListenAddress::Tcp(address)) if address.ip().is_unspecified() => {
                format!("{scheme}://localhost:{}", address.port())
            }
            (None, ListenAddress::Tcp(address)) => format!("{scheme}://{address}"),
            (None, ListenAddress::Unix(_)) => "http://localhost".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml(text: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path), &Dict::new())
    }

    #[test]
    fn the_complete_example_is_the_default() {
        let example = include_str!("../examples/grantd.toml");
        let mut config = from_toml(example).unwrap();
        config.public_url = None;
        config.master_key_file = None;
        config.workers = None;
        config.tls = TlsConfig::default();
        config.throttle.tokens_per_minute = None;
        config.policies.concurrent = None;
        assert_eq!(config, Config::default());
        for key in Config::known().keys() {
            assert!(example.contains(key.as_str()), "examples/grantd.toml does not show {key}");
        }
    }

    #[test]
    fn mistakes_are_named_with_a_way_out() {
        for (text, wanted) in [
            ("lisen = \"127.0.0.1:1\"", "there is no setting lisen; did you mean listen?"),
            ("[keys]\nrotate_day = 3", "there is no setting keys.rotate_day; did you mean keys.rotate_days?"),
            ("[limits]\nconnections = 0", "limits.connections must be at least 1"),
            ("[limits]\nkeep_alive_seconds = 31536001", "limits.keep_alive_seconds must be at most 31536000"),
            ("[token]\nexcess_scope = \"ignore\"", "token.excess_scope: unknown variant"),
            ("workers = \"many\"", "workers: invalid type: found \"many\", expected a whole number (in "),
            ("workers = -1", "workers: invalid value: found -1, expected a whole number from 0 up (in "),
            ("[keys]\nrotate_days = 1.5", "keys.rotate_days: invalid type: found 1.5, expected a whole number (in "),
            ("log = 5", "log: invalid type: found 5, expected a section (in "),
            ("trusted_proxies = \"unix\"", "trusted_proxies: invalid type: found \"unix\", expected a list (in "),
            ("console.enabled = 1", "console.enabled: invalid type: found 1, expected true or false (in "),
            ("database = \"\"", "database is empty: name a file"),
            ("master_key_file = \"\"", "master_key_file is empty: name a file"),
            ("[tls]\ncert = \"\"\nkey = \"a.pem\"", "tls.cert is empty: name a file"),
            ("[log]\nlevel = \"loud\"", "log.level is off, error, warn, info, debug or trace, not \"loud\""),
            ("listen = \"here\"", "is not an ADDRESS:PORT"),
            ("listen = \"unix:\"", "listen: name the socket's path"),
            ("public_url = \"https://a.example/path\"", "and no path"),
            ("issuer_aliases = [\"grantd:8420\"]", "issuer_aliases: \"grantd:8420\" must be http:// or https://"),
            ("issuer_aliases = [\"http://a\", \"http://A:80\"]", "has the host and port of another URL"),
            ("public_url = \"http://a\"\nissuer_aliases = [\"https://a\"]", "has the host and port of another URL"),
            ("trusted_proxies = [\"proxy\"]", "trusted_proxies: \"proxy\" is no address"),
            ("[tls]\ncert = \"a.pem\"", "tls.cert needs tls.key"),
            ("[tls]\nkey = \"a.pem\"", "tls.key needs tls.cert"),
            ("alias_issuer = \"each\"", "alias_issuer: unknown variant"),
            ("[keys]\nrotate_days = 1\nannounce_hours = 24", "must be less than keys.rotate_days"),
            ("database = ", "g.toml: TOML parse error at line 1, column 12"),
        ] {
            let error = from_toml(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let missing = Config::load(Some(Path::new("/nowhere/grantd.toml")), &Dict::new()).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/grantd.toml"), "{missing}");
    }

    #[test]
    fn the_public_url_follows_from_where_it_listens() {
        let config = Config::default();
        let at = |text: &str| config.public_url(&ListenAddress::Tcp(text.parse().unwrap()));
        assert_eq!(at("127.0.0.1:8420"), "http://127.0.0.1:8420");
        assert_eq!(at("0.0.0.0:80"), "http://localhost:80");
        assert_eq!(at("[::1]:80"), "http://[::1]:80");
        let named = Config { public_url: Some("https://id.example.com/".to_owned()), ..config };
        assert_eq!(named.public_url(&ListenAddress::Unix(PathBuf::new())), "https://id.example.com");
    }
}
