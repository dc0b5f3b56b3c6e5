//! How a server is reached: its address as a person gives it, and a client for HTTP that goes there.
//!
//! An address is a URL, or `unix:PATH` for a socket in the file system, in the words of `--listen`.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use grantd::secret::{SecretKind, is_generated};
use ureq::{Proxy, ProxyProtocol};

mod here;
#[cfg(unix)]
mod socket;

use crate::cli::{Failure, Outcome, note};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What stands before the path of a socket.
const UNIX: &str = "unix:";

/// The path of the socket that an address names.
fn socket_path(server: &str) -> Option<&str> {
    server.strip_prefix(UNIX)
}

/// What paths of the server are put behind in a URL: nothing on a socket looks at the host.
pub(in crate::cli) fn base(server: &str) -> &str {
    if socket_path(server).is_some() { "http://localhost" } else { server }
}

/// An address without what does not belong to it.
pub(in crate::cli) fn trimmed(server: &str) -> &str {
    if socket_path(server).is_some() { server } else { server.trim_end_matches('/') }
}

/// The host of a URL; empty where there is none, or where it is not all that stands before the path: whatever comes
/// before an `@` is no host, and looks like one.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return "";
    }
    match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, port)) if port.is_empty() || port.starts_with(':') => address,
        Some(_) => "",
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Whether the server is on this machine.
pub(in crate::cli) fn is_here(server: &str) -> bool {
    let host = host(server);
    socket_path(server).is_some()
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An address in the one form in which two are compared: of a URL the scheme, the host and the port, of a socket the
/// whole path. `localhost` is 127.0.0.1, as it is to `--listen` and to [`agent`].
pub(super) fn compared(server: &str) -> String {
    if let Some(path) = socket_path(server) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        return format!("{UNIX}{}", path.display());
    }
    let (scheme, rest) = server.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let usual_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(usual_port).unwrap_or(&authority);
    match authority.strip_prefix("localhost") {
        Some(port) if port.is_empty() || port.starts_with(':') => format!("{scheme}://127.0.0.1{port}"),
        _ => format!("{scheme}://{authority}"),
    }
}

/// The address is one, and says so when it would carry the token for everyone on the way to read.
///
/// # Errors
/// `Usage`, with what it should look like.
pub(in crate::cli) fn check(server: &str) -> Outcome {
    match socket_path(server) {
        Some(_) if cfg!(not(unix)) => {
            return Err(Failure::Usage("--server: sockets in the file system need Unix".to_owned()));
        }
        Some("") => {
            return Err(Failure::Usage("--server: name the socket's path, like unix:/run/grantd.sock".to_owned()));
        }
        Some(_) => return Ok(()),
        None => {}
    }
    let is_plain = server.starts_with("http://");
    if !(is_plain || server.starts_with("https://")) || host(server).is_empty() {
        return Err(Failure::Usage(format!(
            "--server: {server:?} is not the URL of a server, like https://grantd.example.com, or unix:PATH"
        )));
    }
    if is_plain && !is_here(server) {
        note(&format!("warning: {server} is not https: what is secret can be read on the way there"));
    }
    Ok(())
}

/// A text that was given as an API token has the form of one, or of an access token for grantd's own API.
pub(in crate::cli) fn check_token(token: &str) -> Outcome {
    if is_generated(SecretKind::ApiToken, token) || token.split('.').count() == 3 {
        return Ok(());
    }
    Err(Failure::Usage("this is no API token: they begin with gapi_ and were copied whole or not at all".to_owned()))
}

/// A client for HTTP that goes to this server.
///
/// # Errors
/// `Failed` when `ca_file` does not hold certificates.
pub(in crate::cli) fn agent(server: &str, timeout: Duration, ca_file: Option<&Path>) -> Outcome<ureq::Agent> {
    let is_here = is_here(server);
    let config = agent_config(timeout, ca_file, if is_here { None } else { Proxy::try_from_env() })?;
    #[cfg(unix)]
    if let Some(path) = socket_path(server) {
        return Ok(socket::agent(config, path));
    }
    Ok(if is_here { here::agent(config) } else { config.into() })
}

/// A client for HTTP that goes wherever URLs lead.
///
/// # Errors
/// As [`agent`].
pub(in crate::cli) fn url_agent(timeout: Duration, ca_file: Option<&Path>) -> Outcome<ureq::Agent> {
    Ok(agent_config(timeout, ca_file, proxy_for_others())?.into())
}

/// The proxy of the environment through which a server is asked, without what lets one into it. None leads to this
/// machine.
pub(super) fn proxy_of(server: &str) -> Option<String> {
    if is_here(server) {
        return None;
    }
    let proxy = Proxy::try_from_env()?;
    let target: ureq::http::Uri = server.parse().ok()?;
    if proxy.is_no_proxy(&target) {
        return None;
    }
    let scheme = proxy.uri().scheme_str().unwrap_or("http");
    Some(format!("{scheme}://{}:{}", proxy.host(), proxy.port()))
}

/// The proxy of the environment, for whoever asks several servers: the library must be told that this machine needs
/// none.
fn proxy_for_others() -> Option<Proxy> {
    let proxy = Proxy::try_from_env()?;
    // The library ends the program over another kind, unless it came from the environment as it is.
    if !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
        return Some(proxy);
    }
    let mut same = Proxy::builder(proxy.protocol()).host(proxy.host()).port(proxy.port());
    if let Some(name) = proxy.username() {
        same = same.username(name);
    }
    if let Some(password) = proxy.password() {
        same = same.password(password);
    }
    let left_out = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default();
    let left_out = left_out.split(',').map(str::trim).filter(|host| !host.is_empty());
    for host in left_out.chain(["localhost", "127.*", "[::1]"]) {
        same = same.no_proxy(host);
    }
    same.build().ok()
}

/// It follows no redirect: a token goes where it was meant to go.
fn agent_config(timeout: Duration, ca_file: Option<&Path>, proxy: Option<Proxy>) -> Outcome<ureq::config::Config> {
    // Fails only when it is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut tls = ureq::tls::TlsConfig::builder();
    if let Some(file) = ca_file {
        tls = tls.root_certs(certificates(file)?);
    }
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .timeout_connect(Some(CONNECT_TIMEOUT.min(timeout)))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("grantd/", env!("CARGO_PKG_VERSION")))
        .proxy(proxy)
        .tls_config(tls.build())
        .build();
    Ok(config)
}

fn certificates(file: &Path) -> Outcome<ureq::tls::RootCerts> {
    let unfit = |what: String| Failure::failed(format!("--ca-file {}: {what}", file.display()));
    let text = std::fs::read(file).map_err(|error| unfit(error.to_string()))?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            // The library's words quote the file, and a private key may stand in it too.
            Err(_) => return Err(unfit("a section of it is no whole PEM: it was cut short or damaged".to_owned())),
        }
    }
    if found.is_empty() {
        return Err(unfit("there is no certificate in it (PEM)".to_owned()));
    }
    Ok(ureq::tls::RootCerts::new_with_certs(&found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_here() {
        for url in
            ["http://127.0.0.1:8420", "http://localhost", "https://[::1]:1/x", "http://LOCALHOST:1", "unix:a.sock"]
        {
            assert!(is_here(url), "{url}");
        }
        for url in ["http://localhost.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com:1", "https://a"] {
            assert!(!is_here(url), "{url}");
        }
        for url in ["", "grantd.example.com", "ftp://a", "http://", "http://user@host", "unix:"] {
            assert!(check(url).is_err(), "{url}");
        }
        for url in [
            "http://localhost:x@evil.example",
            "http://localhost:1@evil.example:80/",
            "http://127.0.0.1:80:@evil.example",
            "http://[::1]@evil.example",
            "http://[::1]:1@evil.example",
            "http://[::1].evil.example",
            "http://localhost\\@evil.example",
        ] {
            assert!(!is_here(url) && check(url).is_err(), "{url}");
        }
    }

    #[test]
    fn addresses_are_the_same_however_they_are_written() {
        for (one, other) in [
            ("http://localhost:8420", "http://127.0.0.1:8420/"),
            ("http://LOCALHOST:8420/console", "http://127.0.0.1:8420"),
            ("http://localhost", "http://127.0.0.1:80"),
            ("https://[::1]:443", "https://[::1]"),
        ] {
            assert_eq!(compared(one), compared(other), "{one} {other}");
        }
        let here = format!("unix:{}", std::env::current_dir().unwrap().join("a.sock").display());
        assert_eq!(compared("unix:a.sock"), here);
        for (one, other) in [
            ("http://127.0.0.1:8420", "http://127.0.0.1:8421"),
            ("http://127.0.0.1:8420", "https://127.0.0.1:8420"),
            ("http://127.0.0.1:8420", "http://127.0.0.2:8420"),
            ("http://127.0.0.1:8420", "http://[::1]:8420"),
            ("http://127.0.0.1", "http://localhost.example"),
            ("unix:a.sock", "unix:b.sock"),
        ] {
            assert_ne!(compared(one), compared(other), "{one} {other}");
        }
    }
}
