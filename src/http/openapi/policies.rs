//! The operations for those who write policies and switch them on.

use serde_json::{Value, json};

use super::operation::Operation;
use super::resources::ID;
use super::schema::{free_object, integer, object, optional_text, optional_time, reference, text, texts, time};

const DIGEST: &str = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
const TIME: &str = "2027-01-15T10:00:00.000Z";

/// Every one of them.
pub(super) fn operations() -> Vec<Operation> {
    vec![access(), request(), questions(), settings()]
}

fn access() -> Operation {
    let shown = json!({
        "account": {"id": ID, "userName": "periodicCleanup"},
        "client": {"id": ID, "clientId": "4bTRU1pUEdjHk9xJ0wqVY2ZcGmNsA8eL", "displayName": "periodicService"},
        "authMethod": null, "asked": ["write"], "gets": [], "lifetimeSeconds": 0, "claims": {},
        "inTheWay": [{"what": "policy", "policy": "office hours", "level": "server", "verdict": "deny",
            "dropped": ["write"], "code": "outside-hours", "reason": "it is outside of business hours"}],
    });
    Operation::new(
        "get",
        "/api/v1/access",
        "listAccess",
        "Policy",
        "Say who would get what now, and what stands in the way",
    )
    .described(
        "Policies are evaluated for every client of every account that holds the scope; nothing is issued or \
            recorded. A page ends after some time, too: go on after its `next`. One account costs at most 1000 answers \
            of policies, and 5 seconds: what was not asked is counted in `unasked`.",
    )
    .query_parameter("api", "The API: its id or appId.", "string", "myrestapi")
    .query_parameter("scope", "This scope; needed unless an account is named.", "string", "write")
    .query_parameter("account", "This account alone: its id or userName.", "string", "periodicCleanup")
    .query_parameter("at", "At this time, instead of now.", "string", TIME)
    .query_parameter("remoteAddress", "From this IP address, instead of none.", "string", "192.0.2.7")
    .query_parameter("after", "The `next` of the page before.", "string", ID)
    .query_parameter("count", "Accounts of a page, 1000 at most.", "integer", "1000")
    .answer(
        200,
        "One page.",
        &reference("AccessPage"),
        &json!({
            "api": {"id": ID, "appId": "myrestapi"}, "scope": "write", "at": TIME, "total": 1, "unknownInputs": [],
            "unasked": 0, "Resources": [shown], "next": null,
        }),
    )
    .errors(&["BadRequest", "NotFound"])
    .admin()
}

fn request() -> Operation {
    Operation::new(
        "post",
        "/api/v1/policy-requests",
        "makePolicyRequest",
        "Policy",
        "Make the request that a policy would get, out of real data",
    )
    .described("For whoever has a module at hand and asks it there. Nothing is recorded, and nothing changes.")
    .explained()
    .body("PolicyRequest", &json!({"account": "periodicCleanup", "scopes": ["write"], "inputs": [{"time": "minute"}]}))
    .answer(
        200,
        "The request.",
        &reference("PolicyRequestMade"),
        &json!({
            "request": {"requested": ["write"], "offered": ["write"], "ttlSeconds": 3600},
        }),
    )
    .errors(&["NotFound"])
    .admin()
}

fn questions() -> Operation {
    Operation::new(
        "get",
        "/api/v1/decision-questions",
        "listQuestions",
        "Decision",
        "List what a policy was asked, to ask another module the same",
    )
    .query_parameter("policy", "The policy: its id.", "string", ID)
    .query_parameter("since", "In decisions from this time on; in all of them unless it is given.", "string", TIME)
    .query_parameter("after", "The `next` of the page before.", "integer", "1000")
    .query_parameter("count", "Decisions that a page looks at, 1000 at most.", "integer", "1000")
    .answer(
        200,
        "One page.",
        &reference("QuestionPage"),
        &json!({
            "first": 1, "last": 1, "next": null,
            "decisions": [{"id": ID, "at": TIME, "outcome": "issued", "requested": ["write"], "explanation": DIGEST}],
            "explanations": {DIGEST: {"given": {}, "steps": []}},
        }),
    )
    .errors(&["BadRequest"])
    .admin()
}

fn settings() -> Operation {
    Operation::new(
        "get",
        "/api/v1/policy-settings/{digest}",
        "readPolicySettings",
        "Decision",
        "Read the settings that a recorded decision rests on",
    )
    .path_parameter("digest", "Their SHA-256, as the decision names them.", DIGEST)
    .answer(
        200,
        "They are like this.",
        &reference("PolicySettings"),
        &json!({"digest": DIGEST, "settings": {"allow": ["read"]}}),
    )
    .errors(&["NotFound"])
    .admin()
}

/// What they speak of.
pub(super) fn schemas() -> Value {
    let list = |schema: Value| json!({"type": "array", "items": schema});
    json!({
        "AccessPage": object("Who would get what.", &["Resources", "next"], &json!({
            "api": free_object("The API."),
            "scope": optional_text("The scope that was asked about."),
            "at": time("The time that it is about."),
            "total": {"type": ["integer", "null"], "description": "How many accounts there are, on the first page."},
            "unknownInputs": texts("What policies look at, and no request gives here."),
            "unasked": integer("Questions of accounts with many clients and scopes that would have taken too long: name a scope."),
            "Resources": list(reference("Access")),
            "next": optional_text("What to go on after; nothing on the last page."),
        })),
        "Access": object("What one client would get.", &["account", "asked", "gets", "inTheWay"], &json!({
            "account": free_object("The account."),
            "client": {"type": ["object", "null"], "description": "The client; nothing for an account without one."},
            "authMethod": optional_text("How it would authenticate; nothing where every way that it may take ends so."),
            "asked": texts("What it would ask for."),
            "gets": texts("What the token would have of it."),
            "lifetimeSeconds": integer("How long the token would live."),
            "claims": free_object("What policies would add."),
            "inTheWay": list(free_object("What takes something: a policy, or what is inactive, missing or over.")),
        })),
        "PolicyRequest": object("Whose request to make: a client's or an account's.", &[], &json!({
            "client": optional_text("What this client would ask with: its id or clientId."),
            "account": optional_text("What the first client of this account would ask with: its id or userName."),
            "api": optional_text("At this API: its id or appId."),
            "scopes": {"type": ["array", "null"], "items": {"type": "string"}, "description": "For these scopes."},
            "at": optional_time("At this time, unless now."),
            "remoteAddress": optional_text("From this IP address."),
            "inputs": {"type": ["array", "null"], "maxItems": crate::policy::abi::INPUTS_MAX,
                "description": "The changing inputs that the module's manifest lists."},
        })),
        "PolicyRequestMade": object("The request as the module would get it.", &["request"], &json!({
            "request": free_object("The request, but for settings."),
        })),
        "QuestionPage": object("What a policy was asked.", &["last", "next", "decisions", "explanations"], &json!({
            "first": integer("Where the first decision of all pages stands; on the first page."),
            "last": integer("Where the last one stands."),
            "next": {"type": ["integer", "null"], "description": "What to go on after; nothing on the last page."},
            "decisions": list(free_object("A decision, with the digest of its explanation.")),
            "explanations": free_object("Explanations by their digests: many decisions share one."),
        })),
        "Grounds": object("What answers rest on.", &["decision", "steps"], &json!({
            "decision": text("The decision's id."),
            "steps": list(object("One policy.", &["policyId", "policy", "restsOn", "unknown"], &json!({
                "policyId": text("The policy's id."),
                "policy": text("Its name then."),
                "restsOn": list(object("One thing.", &["what", "value", "otherwise"], &json!({
                    "what": text("Which setting or input."),
                    "value": text("What it was, short."),
                    "otherwise": text("What was changed, and what the answer would have been."),
                }))),
                "unknown": optional_text("Why this cannot be told, or not all of it."),
            }))),
        })),
        "PolicySettings": object("Settings as they were.", &["digest", "settings"], &json!({
            "digest": text("Their SHA-256, in hex."),
            "settings": free_object("What the module was told."),
        })),
    })
}
