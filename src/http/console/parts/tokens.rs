//! How an API's tokens are made, in forms: what each signature means, and how long a token lives.

use maud::{Markup, html};

use super::field::{self, Field, Kind};
use crate::http::console::draft::Draft;
use crate::model::api::TOKEN_LIFETIME_SECONDS;

/// The signatures, each with what it means to choose it.
pub(crate) const ALGORITHMS: &[(&str, &str, &str)] = &[
    (
        "RS256",
        "RS256",
        "RSA 2048 with SHA-256. Every verifier speaks it. The slowest to sign, and the longest signature.",
    ),
    (
        "ES256",
        "ES256",
        "ECDSA on P-256. Nearly every verifier speaks it. Some 35 times faster to sign than RS256, with a quarter of the signature.",
    ),
    (
        "EdDSA",
        "EdDSA",
        "Ed25519. Some 60 times faster to sign than RS256. Older verifiers do not know it: check yours first.",
    ),
];

pub(crate) fn algorithm(draft: &Draft<'_>, chosen: &str) -> Markup {
    field::choice(draft, "signingAlg", "Tokens are signed with", chosen, ALGORITHMS)
}

pub(crate) fn lifetime(draft: &Draft<'_>, value: &str, theirs: Option<&str>) -> Markup {
    let hint = format!(
        "From {} to {}. Nobody can take a token back from a resource server that checks only its signature: keep it short.",
        TOKEN_LIFETIME_SECONDS.start(),
        TOKEN_LIFETIME_SECONDS.end()
    );
    html! {
        (field::text(draft, &Field {
            name: "tokenLifetimeSeconds", label: "Tokens live for (seconds)", value, theirs, kind: Kind::Number,
            required: true, hint: &hint, ..Field::default()
        }))
    }
}
