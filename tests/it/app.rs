//! A whole server for a test: its own database, a clock that stands still, repeatable random bytes, a free port.

use std::thread::JoinHandle;
use std::time::Duration;

use grantd::clock::{Clock, Timestamp};
use grantd::config::{Config, PoliciesConfig, ThrottleConfig};
use grantd::dev::DevOptions;
use grantd::{App, Listener, Missing};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Where every test's clock begins.
pub const START: &str = "2027-01-15T10:00:00Z";

/// A running server. Stops when dropped.
pub struct TestApp {
    /// Its base URL, without a slash at the end.
    pub url: String,
    /// Its clock.
    pub clock: Clock,
    /// A bearer with the role admin.
    pub admin_token: String,
    /// A path that signs in to the console as that bearer, once.
    pub sign_in_path: String,
    /// Where its database lies.
    pub dir: TempDir,
    agent: ureq::Agent,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<grantd::Result<()>>>,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null when it is not.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, if the status is the one expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }
}

/// Far more than any answer takes: a large module compiles for long on a slow machine, and no test proves anything by it.
const ANSWER_SECONDS_MAX: u64 = 120;

/// An HTTP client that hides nothing: a refusal is an answer, and a redirect is not followed.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(ANSWER_SECONDS_MAX)))
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .max_redirects(0)
        .build()
        .into()
}

/// One request and its answer; an error when the connection broke.
pub fn exchange(
    agent: &ureq::Agent,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Answer, ureq::Error> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = agent.run(request.body(body.to_vec()).unwrap())?;
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.body_mut().read_to_string()?,
    })
}

/// What the how-to makes: an account, its client, an API with `read` and `write`, a grant of `write`.
pub struct HowTo {
    pub account: String,
    pub client: String,
    pub client_id: String,
    pub client_secret: String,
    pub api: String,
    pub grant: String,
}

impl TestApp {
    /// A server with the default configuration.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// A server whose configuration `change` adapts.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::on(dir, Clock::manual(Timestamp::parse(START).unwrap(), 1), change)
    }

    /// A server on the database in `dir`, which is made when it is not there.
    pub fn on(dir: TempDir, clock: Clock, change: impl FnOnce(&mut Config)) -> Self {
        Self::opened(dir, clock.clone(), change, |config| App::open_with(config, clock, Missing::Create))
    }

    /// A server as `grantd dev` opens it, on the machine's clock until that is set over HTTP.
    pub fn dev(dir: TempDir, fixed_keys: bool) -> Self {
        let clock = Clock::shiftable();
        let options = DevOptions { fixed_keys, clock: Some(clock.clone()) };
        Self::opened(dir, clock, |_| {}, |config| App::open_dev(config, &options))
    }

    fn opened(
        dir: TempDir,
        clock: Clock,
        change: impl FnOnce(&mut Config),
        open: impl FnOnce(Config) -> grantd::Result<App>,
    ) -> Self {
        let mut config = Config {
            database: dir.path().join("grantd.db"),
            listen: "127.0.0.1:0".to_owned(),
            workers: Some(1),
            // The clock stands still, and many tests fail to authenticate on purpose.
            throttle: ThrottleConfig {
                failures_per_minute: u32::MAX,
                failures_per_minute_and_address: u32::MAX,
                ..ThrottleConfig::default()
            },
            // What ends ends by its fuel, on the slowest machine.
            policies: PoliciesConfig { deadline_ms: 60_000, ..PoliciesConfig::default() },
            ..Config::default()
        };
        change(&mut config);
        let app = open(config).unwrap();
        let admin_token = app.first_api_token().unwrap();
        let sign_in_path = app.sign_in_path(&admin_token).unwrap().unwrap_or_default();
        let admin_token = admin_token.expose().to_owned();
        let listener = Listener::bind(app.config()).unwrap();
        let url = format!("http://{listener}");
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let stopped = async {
                let _ = stopped.await;
            };
            actix_web::rt::System::new().block_on(grantd::run(app, listener, stopped))
        });
        Self { url, clock, admin_token, sign_in_path, dir, agent: agent(), stop: Some(stop), thread: Some(thread) }
    }

    /// Stops the server and starts another on the same database, under the same clock.
    pub fn restart(mut self) -> Self {
        self.stop();
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        Self::on(dir, self.clock.clone(), |_| {})
    }

    fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    /// Moves the clock by `seconds`, which may be negative.
    pub fn advance(&self, seconds: i64) {
        self.clock.set(self.clock.now().plus_seconds(seconds));
    }

    /// Any request. `headers` come as given; an empty `body` is none.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let answer = exchange(&self.agent, method, &format!("{}{path}", self.url), headers, body).unwrap();
        // Whatever a test is about: no answer may be taken for what it does not say it is.
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{method} {path}");
        answer
    }

    /// The bytes at a path.
    #[track_caller]
    pub fn download(&self, path: &str, authorization: &str, accept: &str) -> Vec<u8> {
        let request = ureq::http::Request::builder()
            .uri(format!("{}{path}", self.url))
            .header("authorization", authorization)
            .header("accept", accept);
        let mut response = self.agent.run(request.body(Vec::new()).unwrap()).unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "application/wasm");
        response.body_mut().read_to_vec().unwrap()
    }

    /// A request to the admin API as `bearer`; `path` follows `/api/v1`. A null body is none.
    pub fn admin_as(&self, bearer: &str, method: &str, path: &str, body: &Value) -> Answer {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let authorization = format!("Bearer {bearer}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("/api/v1{path}"), &headers, &bytes)
    }

    /// A request to the admin API with the role admin.
    pub fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.admin_as(&self.admin_token, method, path, body)
    }

    /// Makes a resource and answers it.
    #[track_caller]
    pub fn create(&self, resource_type: &str, body: &Value) -> Value {
        self.admin("POST", &format!("/resources/cid/{resource_type}"), body).expect(201)
    }

    /// Changes one member of a resource.
    #[track_caller]
    pub fn set(&self, resource_type: &str, id: &str, member: &str, value: &Value) {
        let body = json!({"Operations": [{"op": "replace", "path": member, "value": value}]});
        self.admin("PATCH", &format!("/resources/cid/{resource_type}/{id}"), &body).expect(200);
    }

    /// A token request with these parameters, urlencoded.
    pub fn token(&self, parameters: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", "/oauth2/token", &headers, body.as_bytes())
    }

    /// A token request of the how-to's client, with `more` parameters.
    pub fn token_for(&self, howto: &HowTo, more: &[(&str, &str)]) -> Answer {
        let mut parameters = vec![
            ("grant_type", "client_credentials"),
            ("client_id", howto.client_id.as_str()),
            ("client_secret", howto.client_secret.as_str()),
        ];
        parameters.extend_from_slice(more);
        self.token(&parameters)
    }

    /// Makes what the how-to makes.
    #[track_caller]
    pub fn howto(&self) -> HowTo {
        let text = |value: &Value, name: &str| value[name].as_str().unwrap().to_owned();
        let account = json!({"userName": "periodicCleanup", "displayName": "Periodic Cleanup Account", "active": true});
        let account = text(&self.create("ServiceAccount", &account), "id");
        let client = json!({"displayName": "periodicService", "serviceAccountId": account});
        let client = self.create("MachineToMachine", &client);
        let scopes =
            json!([{"identifier": "read", "displayName": "Read"}, {"identifier": "write", "displayName": "Write"}]);
        let api = json!({"appId": "myrestapi", "displayName": "My REST API", "scopes": scopes, "signingAlg": "RS256"});
        let api = text(&self.create("Api", &api), "id");
        let grant = json!({"serviceAccountId": account, "apiId": api, "scopes": ["write"]});
        let grant = text(&self.create("Grant", &grant), "id");
        HowTo {
            client: text(&client, "id"),
            client_id: text(&client, "clientId"),
            client_secret: text(&client, "clientSecret"),
            account,
            api,
            grant,
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A test that failed already says why; a second panic here would hide it.
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
            }
        }
    }
}

/// The claims of a JWT, unverified.
pub fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

impl TestApp {
    /// A token request by HTTP Basic. `id` and `secret` come as given: encode them first where that matters.
    pub fn token_by_basic(&self, id: &str, secret: &str, parameters: &[(&str, &str)]) -> Answer {
        use base64::Engine as _;
        let credentials = base64::prelude::BASE64_STANDARD.encode(format!("{id}:{secret}"));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let authorization = format!("Basic {credentials}");
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("authorization", authorization.as_str())];
        self.send("POST", "/oauth2/token", &headers, body.as_bytes())
    }

    /// Its database file.
    pub fn database(&self) -> std::path::PathBuf {
        self.dir.path().join("grantd.db")
    }

    /// Stops the server; what is left is its directory.
    pub fn into_dir(mut self) -> TempDir {
        self.stop();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }
}

impl TestApp {
    /// A form to an OAuth endpoint, with an `Authorization` header unless it is empty.
    pub fn form(&self, path: &str, authorization: &str, parameters: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend((!authorization.is_empty()).then_some(("authorization", authorization)));
        self.send("POST", path, &headers, body.as_bytes())
    }

    /// An access token of the how-to's client.
    #[track_caller]
    pub fn access_token(&self, howto: &HowTo, more: &[(&str, &str)]) -> String {
        self.token_for(howto, more).expect(200)["access_token"].as_str().unwrap().to_owned()
    }
}

impl HowTo {
    /// The client's credentials as an `Authorization` header.
    pub fn basic(&self) -> String {
        use base64::Engine as _;
        let text = format!("{}:{}", self.client_id, self.client_secret);
        format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(text))
    }
}

/// Every file of a directory, by name, as bytes.
pub fn files_in(dir: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// The texts in a JSON array.
pub fn texts(array: &Value) -> Vec<&str> {
    array.as_array().map(|items| items.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// Waits up to 30 s of real time for background work to make `look` answer something.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1200 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("{what} did not happen within 30 s");
}

impl TestApp {
    /// Ends the one secret of a client that ends like `secret`.
    #[track_caller]
    pub fn end_secret(&self, client: &str, secret: &str) {
        let path = format!("/resources/cid/MachineToMachine/{client}/secrets");
        let list = self.admin("GET", &path, &Value::Null).expect(200);
        let mut all = list["Resources"].as_array().unwrap().iter();
        let found = all.find(|one| secret.ends_with(one["last4"].as_str().unwrap())).unwrap();
        self.admin("DELETE", &format!("{path}/{}", found["id"].as_str().unwrap()), &Value::Null).expect(204);
    }
}
