//! A directory as somebody may have it, with every kind of thing in it, and the way to every page.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::console::routes::{Route, routes};
use crate::policy::upload;

const SECRET: &str = "correct horse battery staple 1";

/// What there is, by what the addresses of the console call it.
pub struct Scene {
    names: Vec<(&'static str, String)>,
}

fn wasm(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(name).join("policy.wasm");
    std::fs::read(path).unwrap()
}

/// What names consist of in [`Scene::hostile`].
pub const HOSTILE: &str = "<script>window.pwned=1</script><img src=x onerror=\"window.pwned=1\">'\"&\u{202e}شريك نور";

impl Scene {
    /// A shop: ordinary names, grants that hold and that ended, tokens and denials.
    pub fn make(app: &TestApp) -> Self {
        let document: Value = serde_json::from_str(include_str!("scene.json")).unwrap();
        let clients = document["clients"].as_array().unwrap().clone();
        let scene = Self::of(app, &document, "returns-robot-client", "orders");
        for (index, client) in clients.iter().enumerate() {
            let id = client["clientId"].as_str().unwrap();
            let scopes = ["", "orders:read", "admin:everything"][index % 3];
            let secret = if index % 5 == 4 { "wrong" } else { SECRET };
            let basic = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
            let more = [("scope", scopes)];
            app.token(&[&basic[..], if scopes.is_empty() { &[] } else { &more }].concat());
        }
        scene
    }

    /// Script, markup, quotes and text that runs the other way, as long as names may be.
    pub fn hostile(app: &TestApp) -> Self {
        let text: String = HOSTILE.chars().chain(std::iter::repeat_n('W', 200)).take(200).collect();
        let document = json!({
            "accounts": [{"userName": text, "displayName": text, "attributes": {"team": text}}],
            "clients": [{"displayName": text, "clientId": "hostile-client", "account": text, "secret": SECRET}],
            "apis": [{"appId": "x".repeat(100), "displayName": text, "signingAlg": "EdDSA", "scopes": [
                {"identifier": "s".repeat(100), "displayName": text, "description": text, "sensitivity": "high"},
            ]}],
            "grants": [{"account": text, "api": "x".repeat(100), "scopes": ["s".repeat(100)], "reason": text}],
            "policies": [{"name": text, "module": "scope-allowlist", "settings": {"allow": ["s*"]}, "attachedTo": "server"}],
        });
        let scene = Self::of(app, &document, "hostile-client", &"x".repeat(100));
        let basic = [("grant_type", "client_credentials"), ("client_id", "hostile-client"), ("client_secret", SECRET)];
        app.token(&[&basic[..], &[("scope", &"s".repeat(100))]].concat());
        app.token(&[("grant_type", "client_credentials"), ("client_id", &text), ("client_secret", "x")]);
        app.admin("POST", "/auth/api-tokens", &json!({"displayName": text, "role": "reader"})).expect(201);
        scene
    }

    fn of(app: &TestApp, document: &Value, client_id: &str, app_id: &str) -> Self {
        let [module, ..] = ["scope-allowlist", "max-ttl", "business-hours"].map(|name| upload(app, &wasm(name)));
        app.admin("POST", "/apply?reason=the%20scene", document).expect(200);
        let first = |path: &str| {
            let list = app.admin("GET", path, &Value::Null).expect(200)["Resources"].clone();
            list[0].clone()
        };
        let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
        let client = first(&format!("/resources/cid/MachineToMachine?filter=clientId%20eq%20%22{client_id}%22"));
        let account = client["serviceAccountId"].as_str().unwrap();
        let api = id(&first(&format!("/resources/cid/Api?filter=appId%20eq%20%22{app_id}%22")));
        let own = format!("serviceAccountId%20eq%20%22{account}%22%20and%20apiId%20eq%20%22{api}%22");
        let grant = first(&format!("/resources/cid/Grant?filter={own}"));
        let names = vec![
            ("account", account.to_owned()),
            ("client", id(&client)),
            ("secret", client["credentials"][0]["id"].as_str().unwrap_or("none").to_owned()),
            ("api", api),
            ("scope", grant["scopes"][0].as_str().unwrap().to_owned()),
            ("grant", id(&grant)),
            ("policy", id(&first("/resources/cid/Policy?sortBy=name&sortOrder=descending"))),
            ("module", module["digest"].as_str().unwrap().to_owned()),
            ("question", format!("client={client_id}&api={app_id}")),
            ("commit", id(&first("/audit/commits?count=1"))),
            ("token", id(&first("/auth/api-tokens?count=1"))),
        ];
        Self { names }
    }

    fn name(&self, of: &str) -> &str {
        &self.names.iter().find(|(name, _)| *name == of).unwrap_or_else(|| panic!("{of}")).1
    }

    /// A path below `/console` in which things stand by name: `{account}` is the page of one, `{api-id}` an id.
    pub fn fill(&self, path: &str) -> String {
        let path = path
            .replace("{account}", &format!("/service-accounts/{}", self.name("account")))
            .replace("{client}", &format!("/marketplace/machine-to-machine/{}", self.name("client")))
            .replace("{api}", &format!("/marketplace/api/{}", self.name("api")))
            .replace("{grant}", &format!("/grants/{}", self.name("grant")))
            .replace("{policy}", &format!("/policies/{}", self.name("policy")))
            .replace("{question}", self.name("question"))
            .replace("{api-id}", self.name("api"))
            .replace("{module}", self.name("module"));
        format!("/console{path}")
    }

    /// The address of a route, with something for each of its parameters.
    pub fn address(&self, app: &TestApp, route: &Route) -> String {
        let path = route.path.as_str();
        let decision = if path.starts_with("/decisions/") { self.decision(app) } else { String::new() };
        let thing = match path.split('/').collect::<Vec<_>>()[..] {
            ["", "service-accounts", "{id}", ..] => self.name("account"),
            ["", "marketplace", "machine-to-machine", "{id}", ..] => self.name("client"),
            ["", "marketplace", "api", "{id}", ..] => self.name("api"),
            ["", "grants", "{id}", ..] => self.name("grant"),
            ["", "policies", "{id}", ..] => self.name("policy"),
            ["", "audit", "{id}"] => self.name("commit"),
            ["", "api-tokens", "{id}", ..] => self.name("token"),
            ["", "decisions", "{id}", ..] => &decision,
            ["", "sessions", "{id}", ..] => "0000000000000000000000",
            _ => "",
        };
        assert!(!path.contains("{id}") || !thing.is_empty(), "{path} needs an id: name what it is of");
        let query = match path {
            "/marketplace/api/{id}/scopes/edit" | "/marketplace/api/{id}/scopes/remove" => {
                format!("?scope={}", self.name("scope"))
            }
            "/policies/add" => format!("?module={}", self.name("module")),
            "/grants/add" => format!("?api={}&account={}", self.name("api"), self.name("account")),
            "/about" => "?check=1".to_owned(),
            _ => String::new(),
        };
        let path = path.replace("{id}", thing).replace("{secret}", self.name("secret"));
        format!("/console{}{query}", path.replace("{digest}", self.name("module")))
    }

    /// The newest decision that ended with a token.
    fn decision(&self, app: &TestApp) -> String {
        crate::app::eventually("a token's decision", || {
            let list = app.admin("GET", "/decisions?filter=outcome%20eq%20%22issued%22&count=1", &Value::Null).json();
            list["Resources"][0]["id"].as_str().map(str::to_owned)
        })
    }
}

/// Every page that can be opened, and a name for its picture.
pub fn pages(app: &TestApp, scene: &Scene) -> Vec<(String, String)> {
    // Data for a script, a file, and what only forms are sent to.
    let is_page = |path: &str| !path.starts_with("/suggest") && !path.ends_with("/cases") && path != "/theme";
    let drawn = routes().into_iter().filter(|route| is_page(&route.path));
    let named = drawn.map(|route| {
        let address = scene.address(app, &route);
        let words = route.path.split('/').filter(|part| !part.is_empty()).map(|part| part.trim_matches(['{', '}']));
        let name = words.collect::<Vec<_>>().join("-");
        (if name.is_empty() { "overview".to_owned() } else { name }, address)
    });
    let more = [
        ("nothing-fits", "/console/service-accounts?q=nobody"),
        ("not-found", "/console/nowhere"),
        ("grants-add-choice", "/console/grants/add"),
        ("policies-add-choice", "/console/policies/add"),
    ];
    let asked = scene.fill("{policy}/playground?{question}");
    let more = more.map(|(name, path)| (name.to_owned(), path.to_owned()));
    named.chain(more).chain([("policies-id-playground-asked".to_owned(), asked)]).collect()
}
