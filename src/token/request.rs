//! Step 1, parsing: the parameters of a token request (RFC 6749 4.4.2, RFC 8707 2) become one [`TokenRequest`].
//!
//! How they came (urlencoded, multipart, a header) is the HTTP room's business.

use std::borrow::Cow;

use crate::error::{Error, OAuthCode, Result};
use crate::model::caller::printable;
use crate::model::machine_to_machine::AuthMethod;
use crate::model::scope::parse_scopes;
use crate::policy::abi::is_credential;
use crate::secret::Secret;

/// Parameters that one request may have.
pub const PARAMETERS_MAX: usize = 64;

/// One parameter: its name and its value, which need not be copied out of the body that they came in.
pub type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// A client's claim to be who it is, not yet checked.
#[derive(Debug)]
pub struct UnverifiedClient {
    /// The `client_id` it says is its own.
    pub client_id: String,
    /// The secret it shows.
    pub secret: Secret,
    /// How it came.
    pub method: AuthMethod,
}

/// A token request, parsed.
#[derive(Debug)]
pub struct TokenRequest {
    /// Who asks, in the readings that the credentials allow: HTTP Basic has two, form-decoded (RFC 6749 2.3.1)
    /// and, for clients that do not encode, raw. At least one.
    pub unverified_clients: Vec<UnverifiedClient>,
    /// The scopes asked for; empty when the request names none.
    pub scopes: Vec<String>,
    /// The API asked for, by `resource` or `audience`.
    pub target: Option<String>,
    /// Every other parameter but credentials: a policy may look at one that its manifest lists.
    pub extensions: Vec<(String, String)>,
}

fn invalid(description: impl Into<String>) -> Error {
    Error::oauth(OAuthCode::InvalidRequest, description)
}

impl TokenRequest {
    /// Reads the parameters, each at most once. `basic` holds what HTTP Basic said, if it was used.
    ///
    /// # Errors
    /// `OAuth`: `invalid_request`, `unsupported_grant_type`, `invalid_scope`, `invalid_target` or
    /// `invalid_client`, each with what to change.
    pub fn from_parameters(parameters: Vec<Parameter<'_>>, basic: Vec<UnverifiedClient>) -> Result<Self> {
        let mut parameters = Parameters::new(parameters)?;
        check_grant_type(parameters.take("grant_type").as_deref())?;
        let target = parameters.take_target()?.map(Cow::into_owned);
        let scope = parameters.take("scope").unwrap_or_default();
        let scopes = parse_scopes(&scope).map_err(|why| Error::oauth(OAuthCode::InvalidScope, why))?;
        let unverified_clients = take_clients(&mut parameters, basic)?;
        let extensions = parameters.0.into_iter().filter(|(name, _)| !is_credential(name));
        let extensions = extensions.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Ok(Self { unverified_clients, scopes, target, extensions })
    }
}

/// A request about a token (RFC 7662 2.1, RFC 7009 2.1), parsed. A `token_type_hint` is only that: the token
/// itself says what it is.
#[derive(Debug)]
pub struct TokenInquiry {
    /// Who asks.
    pub caller: UnverifiedCaller,
    /// The token that is asked about.
    pub token: Secret,
}

/// Who asks about a token, not yet checked.
#[derive(Debug)]
pub enum UnverifiedCaller {
    /// A client, in the readings of its credentials, as in [`TokenRequest::unverified_clients`].
    Client(Vec<UnverifiedClient>),
    /// Whoever bears this token (RFC 6750 2.1).
    Bearer(Secret),
}

impl TokenInquiry {
    /// Reads the parameters, each at most once. The `Authorization` header has been read before: `bearer` where it
    /// held one, `basic` otherwise.
    ///
    /// # Errors
    /// `OAuth`: `invalid_request` or `invalid_client`, each with what to change.
    pub fn from_parameters(
        parameters: Vec<Parameter<'_>>,
        basic: Vec<UnverifiedClient>,
        bearer: Option<Secret>,
    ) -> Result<Self> {
        let mut parameters = Parameters::new(parameters)?;
        let token = parameters.take("token").map(|token| Secret::new(token.into_owned()));
        let token = token.ok_or_else(|| invalid("token is missing: send the token that you ask about as token"))?;
        let caller = match bearer {
            Some(_) if parameters.has("client_secret") => {
                return Err(invalid(
                    "two credentials at once: send a bearer token in the Authorization header or a client secret in the body, not both",
                ));
            }
            Some(bearer) => UnverifiedCaller::Bearer(bearer),
            None => UnverifiedCaller::Client(take_clients(&mut parameters, basic)?),
        };
        Ok(Self { caller, token })
    }
}

fn check_grant_type(grant_type: Option<&str>) -> Result<()> {
    match grant_type {
        Some("client_credentials") => Ok(()),
        None => Err(invalid("grant_type is missing: send grant_type=client_credentials")),
        Some(_) => Err(Error::oauth(
            OAuthCode::UnsupportedGrantType,
            "this server issues tokens to machines: send grant_type=client_credentials",
        )),
    }
}

fn take_clients(parameters: &mut Parameters<'_>, basic: Vec<UnverifiedClient>) -> Result<Vec<UnverifiedClient>> {
    let client_id = parameters.take("client_id");
    let secret = parameters.take("client_secret").map(|secret| Secret::new(secret.into_owned()));
    if parameters.has("client_assertion") || parameters.has("client_assertion_type") {
        return Err(invalid("client_assertion is not supported: authenticate with a client secret"));
    }
    match (basic.is_empty(), client_id, secret) {
        (false, _, Some(_)) => Err(invalid(
            "two credentials at once: send the client secret in the Authorization header or in the body, not in both (RFC 6749 2.3)",
        )),
        (false, Some(id), None) if !basic.iter().any(|client| client.client_id == id) => {
            Err(invalid("client_id in the body is not the one in the Authorization header: send one of them"))
        }
        (false, _, None) => Ok(basic),
        (true, Some(client_id), Some(secret)) => {
            let client_id = client_id.into_owned();
            Ok(vec![UnverifiedClient { client_id, secret, method: AuthMethod::ClientSecretPost }])
        }
        _ => Err(Error::oauth(
            OAuthCode::InvalidClient,
            "no credentials: send client_id and client_secret in the body, or both by HTTP Basic",
        )),
    }
}

/// The parameters of one request, each name once but for those that RFC 8707 lets repeat.
struct Parameters<'a>(Vec<Parameter<'a>>);

impl<'a> Parameters<'a> {
    fn new(mut all: Vec<Parameter<'a>>) -> Result<Self> {
        if all.len() > PARAMETERS_MAX {
            return Err(invalid(format!("a request has at most {PARAMETERS_MAX} parameters")));
        }
        for (index, (name, value)) in all.iter().enumerate() {
            if name.contains(char::is_control) || value.contains(char::is_control) {
                return Err(invalid(format!("the parameter {} holds a control character", printable(name))));
            }
            let repeats = !is_target(name) && all.iter().take(index).any(|(seen, _)| seen == name);
            if repeats {
                return Err(invalid(format!(
                    "the parameter {} is sent twice: send it once (RFC 6749 3.2)",
                    printable(name)
                )));
            }
        }
        // RFC 6749 3.2: what is sent without a value counts as not sent.
        all.retain(|(_, value)| !value.is_empty());
        Ok(Self(all))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The one API that `resource` and `audience` name.
    fn take_target(&mut self) -> Result<Option<Cow<'a, str>>> {
        let mut named: Vec<Cow<'a, str>> = Vec::new();
        while let Some(target) = self.take("resource").or_else(|| self.take("audience")) {
            if !named.contains(&target) {
                named.push(target);
            }
        }
        if named.len() > 1 {
            return Err(Error::oauth(
                OAuthCode::InvalidTarget,
                "a token is for one API: send one resource or audience, and ask again for the other",
            ));
        }
        Ok(named.pop())
    }
}

fn is_target(name: &str) -> bool {
    name == "resource" || name == "audience"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[(&str, &str)]) -> Result<TokenRequest> {
        let parameters = body.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        TokenRequest::from_parameters(parameters, Vec::new())
    }

    #[test]
    fn every_refusal_has_its_code() {
        let good = [("grant_type", "client_credentials"), ("client_id", "c"), ("client_secret", "s")];
        assert!(parse(&good).is_ok());
        let with = |extra: &[(&str, &str)]| match parse(&[&good[..], extra].concat()) {
            Err(Error::OAuth { code, .. }) => code.as_str(),
            Err(other) => panic!("{other}"),
            Ok(_) => "ok",
        };
        assert_eq!(with(&[("client_id", "c")]), "invalid_request");
        assert_eq!(with(&[("x", "1"), ("x", "1")]), "invalid_request");
        assert_eq!(with(&[("x", "nul\0")]), "invalid_request");
        assert_eq!(with(&[("client_assertion", "x")]), "invalid_request");
        assert_eq!(with(&[("resource", "a"), ("resource", "b")]), "invalid_target");
        assert_eq!(with(&[("resource", "a"), ("audience", "b")]), "invalid_target");
        assert_eq!(with(&[("resource", "a"), ("audience", "a")]), "ok");
        assert_eq!(with(&[("scope", "a  b")]), "invalid_scope");
        let code = |body: &[(&str, &str)]| match parse(body) {
            Err(Error::OAuth { code, .. }) => code.as_str(),
            _ => "ok",
        };
        assert_eq!(code(&[]), "invalid_request");
        assert_eq!(code(&[("grant_type", "")]), "invalid_request");
        assert_eq!(code(&[("grant_type", "password")]), "unsupported_grant_type");
        assert_eq!(code(&good[..2]), "invalid_client");
    }
}
