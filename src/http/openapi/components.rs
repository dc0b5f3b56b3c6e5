//! What operations share: schemas that are no resource's, and in `shared.rs` the rest.

mod shared;

use serde_json::{Map, Value, json};

use super::resources::{Told, created_schema, read_schema, write_schema};
use super::schema::{
    flag, free_object, integer, object, optional_text, optional_time, reference, ruled, text, texts, time,
};
use crate::model::api::{Api, SigningAlg};
use crate::model::api_token::Role;
use crate::model::fields::{display_name, free_text};
use crate::model::grant::Grant;
use crate::model::machine_to_machine::MachineToMachine;
use crate::model::policy::Policy;
use crate::model::service_account::ServiceAccount;

/// The `components` of the document.
pub(super) fn components(is_dev: bool) -> Value {
    let mut schemas = Map::new();
    resource::<ServiceAccount>(&mut schemas);
    resource::<MachineToMachine>(&mut schemas);
    resource::<Api>(&mut schemas);
    resource::<Grant>(&mut schemas);
    resource::<Policy>(&mut schemas);
    let mut parts = vec![
        common(),
        credentials(),
        operations(),
        audit(),
        decisions(),
        modules(),
        super::policies::schemas(),
        super::oauth::schemas(),
        super::document::schemas(),
        super::scim::schemas(),
    ];
    if is_dev {
        parts.push(super::oauth::dev_schemas());
    }
    for part in parts {
        schemas.extend(part.as_object().cloned().unwrap_or_default());
    }
    for name in ["ApiToken", "SigningKey", "Commit", "Event", "PolicyModule", "Decision", "Credential"] {
        schemas.insert(format!("{name}List"), list_of(name));
    }
    json!({
        "securitySchemes": shared::security_schemes(),
        "schemas": schemas,
        "parameters": shared::parameters(),
        "headers": shared::headers(),
        "responses": shared::responses(),
    })
}

fn resource<E: Told>(schemas: &mut Map<String, Value>) {
    schemas.insert(E::TYPE.to_owned(), read_schema::<E>());
    schemas.insert(format!("{}Created", E::TYPE), created_schema::<E>());
    schemas.insert(format!("{}Write", E::TYPE), write_schema::<E>());
    schemas.insert(format!("{}List", E::TYPE), list_of(E::TYPE));
}

/// RFC 7644 3.4.2.
fn list_of(name: &str) -> Value {
    object(
        "One page of a list (RFC 7644 3.4.2).",
        &["schemas", "totalResults", "itemsPerPage", "startIndex", "Resources"],
        &json!({
            "schemas": texts("Always ListResponse."),
            "totalResults": integer("How many fit, on all pages."),
            "itemsPerPage": integer("The size of the page that was asked for."),
            "startIndex": integer("The 1-based index of the first one."),
            "Resources": {"type": "array", "items": reference(name)},
        }),
    )
}

fn words(description: &str, all: &[&str]) -> Value {
    json!({"type": "string", "enum": all, "description": description})
}

fn common() -> Value {
    let algs: Vec<&str> = SigningAlg::ALL.iter().map(|alg| alg.as_str()).collect();
    json!({
        "Meta": object("What every resource carries.", &[], &json!({
            "tenantId": text("Always `default`."),
            "appId": text("Always `cid`."),
            "resourceType": text("Its type."),
            "created": time("When it was made."),
            "lastModified": time("When it last changed."),
            "revision": integer("Counts its changes, from 1: the ETag."),
            "location": {"type": "string", "format": "uri", "description": "Where it stands."},
        })),
        "Error": object("Why nothing was done, and what to change.",
            &["schemas", "status", "code", "message", "detail", "type", "validation"], &json!({
            "schemas": texts("Always that of SCIM errors."),
            "status": text("The HTTP status, in a string."),
            "code": integer("The HTTP status."),
            "message": text("What was wrong."),
            "detail": text("What was wrong, member by member, and the way out."),
            "type": words("What kind of refusal it is.", &[
                "unauthenticated", "forbidden", "notFound", "invalidSyntax", "invalidValue", "uniqueness", "inUse",
                "stale", "tooLarge", "tooMany", "unavailable", "internal",
            ]),
            "validation": {"type": "array", "items": reference("Violation")},
        })),
        "Violation": object("A member that does not fit.", &["propertyPath", "invalidValue", "message"], &json!({
            "propertyPath": text("A JSON pointer to it (RFC 6901)."),
            "invalidValue": {"description": "What was sent; null for a secret, or when nothing was."},
            "message": text("What to change."),
        })),
        "Patch": object("A change of parts (RFC 7644 3.5.2).", &["Operations"], &json!({
            "schemas": {"description": "Ignored."},
            "Operations": {"type": "array", "minItems": 1, "maxItems": crate::patch::OPERATIONS_MAX,
                "items": reference("PatchOperation")},
            "Revision": {"type": "integer", "description": "The revision that it changes: a stale one is 412."},
        })),
        "PatchOperation": object("One change.", &["op"], &json!({
            "op": words("What to do.", &["add", "replace", "remove"]),
            "path": {"type": ["string", "null"], "minLength": 1, "maxLength": crate::patch::PATH_BYTES_MAX, "description":
                "Where: `active`, `/active`, `attributes.team`, `scopes[identifier eq \"read\"].default`. Without it the \
                 value's members are what is added or replaced."},
            "value": {"description": "What to add, or to set."},
            "oldValue": {"description": "Ignored."},
        })),
        "SigningAlg": words("RFC 7518 3.1, RFC 8037 3.1.", &algs),
    })
}

fn credentials() -> Value {
    let shown = json!({
        "id": text("Its id."),
        "kind": words("A secret.", &["secret"]),
        "last4": text("The secret's last four characters."),
        "imported": flag("Whether a person chose it: it is hashed slowly then."),
        "notBefore": optional_time("Not accepted before this."),
        "expiresAt": optional_time("Not accepted from this on."),
        "lastUsedAt": optional_time("When it last authenticated its client, up to a minute old."),
        "createdAt": time("When it was made."),
    });
    let mut created = shown.clone();
    created["clientId"] = text("The client's `client_id`, when the secret was made here.");
    created["clientSecret"] = text("The secret, when it was made here. Not shown again.");
    json!({
        "Credential": object("A client's secret, without the secret.", &["id", "kind", "last4"], &shown),
        "CredentialCreated": object("A secret that was just made.", &["id", "kind", "last4"], &created),
        "CredentialWrite": object("A secret to make, or to take over.", &[], &json!({
            "clientSecret": {"type": ["string", "null"], "minLength": 16, "maxLength": 256, "pattern": "^[ -~]+$", "writeOnly": true,
                "description": "A secret to take over. Unless given, one is made, and shown once."},
            "notBefore": optional_time("Not accepted before this."),
            "expiresAt": optional_time("Not accepted from this on; in the future."),
        })),
    })
}

fn operations() -> Value {
    let roles: Vec<&str> = Role::WORDS.iter().map(|(word, _)| *word).collect();
    let api_token = json!({
        "id": text("Its id."),
        "displayName": text("For people."),
        "role": words("What it may do.", &roles),
        "active": flag("An inactive one is refused."),
        "last4": text("The token's last four characters."),
        "issuedAt": time("When it was made."),
        "expiresAt": optional_time("Not accepted from this on."),
        "lastUsedAt": optional_time("When it was last accepted, up to a minute old."),
        "meta": free_object("Its resourceType."),
    });
    let mut api_token_created = api_token.clone();
    api_token_created["signedToken"] = text("The token. Not shown again.");
    let mut display_name = ruled(display_name);
    display_name["description"] = "For people.".into();
    json!({
        "ApiToken": object("A bearer for the admin API, without the token.", &["id"], &api_token),
        "ApiTokenCreated": object("A bearer that was just made.", &["id", "signedToken"], &api_token_created),
        "ApiTokenWrite": object("A bearer to make.", &["displayName", "role"], &json!({
            "displayName": display_name,
            "role": words("What it may do.", &roles),
            "active": {"type": ["boolean", "null"], "default": true, "description": "An inactive one is refused."},
            "expiresAt": optional_time("Not accepted from this on; in the future."),
        })),
        "SigningKey": object("A key pair, without its private half.", &["id", "kid", "alg", "state", "publicJwk"], &json!({
            "id": text("The kid."),
            "kid": text("As in the header of tokens."),
            "alg": reference("SigningAlg"),
            "state": words("Published; signs; published until what it signed has expired.", &["next", "active", "retired"]),
            "publicJwk": free_object("The public half (RFC 7517)."),
            "createdAt": time("When it was made, and first published."),
            "activatedAt": optional_time("When it began to sign."),
            "retiredAt": optional_time("When it stopped."),
            "removeAt": optional_time("When it leaves the JWKS."),
            "meta": free_object("Its resourceType."),
        })),
        "RotateRequest": object("Which keys to rotate.", &[], &json!({
            "alg": {"type": ["string", "null"], "enum": SigningAlg::ALL.iter().map(|alg| Value::from(alg.as_str()))
                .chain([Value::Null]).collect::<Vec<_>>(), "description": "One algorithm; all of them unless given."},
            "force": {"type": ["boolean", "null"], "default": false,
                "description": "Also when the next key was published too short a time ago for every verifier to know it."},
        })),
    })
}

fn audit() -> Value {
    let actor = object(
        "Who did it.",
        &["identifier", "displayName", "type"],
        &json!({
            "identifier": text("The id of the API token or service account, or `system`."),
            "displayName": text("Its name then."),
            "type": words("What kind of actor it is.", &["apiToken", "serviceAccount", "user", "system"]),
        }),
    );
    json!({
        "Commit": object("One admin write.", &["id"], &json!({
            "id": text("Its id."),
            "by": text("The actor's id."),
            "actor": actor,
            "createdAt": time("When it was made."),
            "reason": optional_text("`?reason=` of the request."),
            "correlation": optional_text("`?correlation=` of the request."),
            "requestId": text("The request's id."),
            "changes": {"type": "array", "items": free_object("resourceType, id, before and after."),
                "description": "What changed."},
            "sequence": integer("Its place in the chain."),
            "sealed": flag("Whether the hash chain covers it already."),
            "meta": free_object("Its resourceType, time and revision."),
        })),
        "Event": object("Something that happened.", &["id"], &json!({
            "id": text("Its id."),
            "createdAt": time("When."),
            "type": text("What happened: `ServiceAccount.Created`."),
            "displayName": text("The same, for people."),
            "severity": words("How much it matters.", &["info", "warning", "error"]),
            "requestId": text("The request's id."),
            "result": free_object("Its status: success or failure."),
            "actor": actor,
            "client": free_object("The caller's address and program."),
        })),
        "AuditVerdict": object("Whether the audit trail is what was sealed.", &["holds"], &json!({
            "holds": flag("Whether it is."),
            "sealed": {"type": ["integer", "null"], "description": "Commits in the chain, when it holds."},
            "waiting": {"type": ["integer", "null"], "description": "Commits after its end, when it holds."},
            "brokenAt": {"type": ["integer", "null"], "description": "The first commit that is not what was sealed."},
        })),
    })
}

fn decisions() -> Value {
    let decision = json!({
        "id": text("Its id, which is the `jti` of the token that it issued."),
        "at": time("When."),
        "requestId": text("The request's id."),
        "clientId": optional_text("The client, or what a stranger claimed to be."),
        "serviceAccountId": optional_text("The `sub`."),
        "apiId": optional_text("The API."),
        "outcome": words("How it ended.", &["issued", "refused", "failed"]),
        "error": optional_text("An OAuth error, or a policy's failure."),
        "reason": optional_text("What the caller was told, or what failed."),
        "remoteAddress": optional_text("Where a request came from that nobody was authenticated for."),
        "jti": optional_text("The token's id."),
        "requested": texts("What the caller asked for."),
        "granted": texts("What the grants offered of it."),
        "issued": texts("What the token says."),
        "lifetimeSeconds": {"type": ["integer", "null"], "description": "The token's lifetime."},
    });
    json!({
        // Policies and what they were given stand beside these, in members of their own.
        "Decision": {
            "type": "object",
            "description": "Why one token request ended as it did: these members, and what each policy was given and said.",
            "required": ["id"],
            "properties": decision,
        },
        "Replay": object("A decision, evaluated again.", &["decision", "same", "steps"], &json!({
            "decision": text("Its id."),
            "same": flag("Whether every policy gave the same answer."),
            "steps": {"type": "array", "items": free_object("What each policy said then and now.")},
        })),
    })
}

fn modules() -> Value {
    let mut note = ruled(free_text);
    note["type"] = json!(["string", "null"]);
    json!({
        "PolicyModule": object("A WebAssembly component that was uploaded.", &["id"], &json!({
            "id": text("The digest."),
            "digest": text("SHA-256 of its bytes, in hex."),
            "name": text("What it calls itself."),
            "version": text("The version that it says it has."),
            "size": integer("Bytes of WebAssembly."),
            "createdAt": time("When it was uploaded."),
            "policies": integer("Policies that use it."),
            "manifest": free_object("Everything it says of itself."),
            "signature": {"type": ["string", "null"], "description": "The Ed25519 signature that it was handed in with, in base64."},
            "sameNameAndVersion": texts("Digests of others that call themselves the same."),
            "compiledInMs": {"type": ["integer", "null"], "description": "How long compiling it took, when it is new."},
        })),
        "EvaluateRequest": object("What to ask a policy with: one of request, decision, client and account.", &[], &json!({
            "request": {"type": ["object", "null"], "description": "The whole request, as policies see it."},
            "decision": optional_text("What the policy was asked in this decision."),
            "client": optional_text("What this client would ask with: its id or clientId."),
            "account": optional_text("What the first client of this account would ask with: its id or userName."),
            "api": optional_text("At this API: its id or appId."),
            "scopes": {"type": ["array", "null"], "items": {"type": "string"}, "description": "For these scopes."},
            "at": optional_time("At this time, unless now."),
            "requestId": note,
            "remoteAddress": note,
            "userAgent": note,
            "parameters": {"type": ["object", "null"], "additionalProperties": {"type": "string"},
                "description": "Other parameters of the token request."},
            "settings": {"type": ["object", "null"], "description": "With these settings, unless its own."},
        })),
        "Evaluation": {
            "type": "object",
            "description": "What the policy would say.",
            "required": ["policyId", "policy", "module", "request", "effect"],
            "properties": {
                "policyId": text("Its id."),
                "policy": text("Its name."),
                "module": text("name@version of its module."),
                "moduleDigest": text("The module's digest."),
                "request": free_object("What it was asked."),
                "effect": free_object("What would become of its answer."),
                "decision": {"type": ["object", "null"], "description": "Its answer, word for word."},
            },
        },
    })
}
