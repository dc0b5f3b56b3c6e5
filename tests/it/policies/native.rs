//! The shipped policies as the Rust that they are: the same crates, compiled for this machine.

use grantd::policy::abi::{Decision, Denial, Input, Instant, Manifest, Permit, Request, TimeStep};
use grantd::policy::cases::Subject;
use grantd_policy as sdk;
use serde_json::Value;

/// A policy of the SDK, asked as the component's glue asks it.
pub struct Native {
    manifest: Manifest,
    validate: fn(&str) -> Result<(), String>,
    evaluate: fn(&sdk::Request) -> sdk::Decision,
}

impl Native {
    fn of<P: sdk::Policy>() -> Self {
        let said = P::MANIFEST;
        let manifest = Manifest {
            name: said.name.to_owned(),
            version: said.version.to_owned(),
            description: said.description.to_owned(),
            settings_schema: serde_json::from_str(&sdk::schema::text::<P::Settings>()).unwrap(),
            inputs: said.inputs.iter().map(input).collect(),
        };
        Self { manifest, validate: sdk::validate::<P>, evaluate: sdk::evaluate::<P> }
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Every policy that is compiled natively, by name.
pub fn all() -> &'static [(&'static str, Native)] {
    static ALL: std::sync::LazyLock<Vec<(&str, Native)>> = std::sync::LazyLock::new(|| {
        vec![
            ("business-hours", Native::of::<business_hours::BusinessHours>()),
            ("claims-from-attributes", Native::of::<claims_from_attributes::ClaimsFromAttributes>()),
            ("ip-allowlist", Native::of::<ip_allowlist::IpAllowlist>()),
            ("max-ttl", Native::of::<max_ttl::MaxTtl>()),
            ("scope-allowlist", Native::of::<scope_allowlist::ScopeAllowlist>()),
            ("separation-of-duties", Native::of::<separation_of_duties::SeparationOfDuties>()),
        ]
    });
    &ALL
}

impl Subject for Native {
    fn inputs(&self) -> &[Input] {
        &self.manifest.inputs
    }

    fn validate_settings(&self, settings: &str) -> Result<Result<(), String>, String> {
        Ok((self.validate)(settings))
    }

    fn evaluate(&self, request: &Request, settings: &str) -> Result<Decision, String> {
        Ok(match (self.evaluate)(&sdk_request(request, settings)) {
            sdk::Decision::Permit(permit) => Decision::Permit(Permit {
                scopes: permit.scopes,
                ttl_seconds: permit.ttl_seconds,
                claims: permit.claims,
                note: permit.note,
            }),
            sdk::Decision::Deny(denial) => Decision::Deny(Denial { code: denial.code, reason: denial.reason }),
        })
    }
}

fn input(input: &sdk::Input) -> Input {
    match input {
        sdk::Input::Time(sdk::TimeStep::Second) => Input::Time(TimeStep::Second),
        sdk::Input::Time(sdk::TimeStep::Minute) => Input::Time(TimeStep::Minute),
        sdk::Input::Time(sdk::TimeStep::Hour) => Input::Time(TimeStep::Hour),
        sdk::Input::Time(sdk::TimeStep::Day) => Input::Time(TimeStep::Day),
        sdk::Input::RequestId => Input::RequestId,
        sdk::Input::RemoteAddress => Input::RemoteAddress,
        sdk::Input::UserAgent => Input::UserAgent,
        sdk::Input::Parameter(name) => Input::Parameter((*name).to_owned()),
    }
}

/// A moment as the SDK spells it out: it has to agree with grantd's own.
pub fn instant(unix_seconds: u32) -> Instant {
    let sdk::Instant { unix_seconds, hour, minute, weekday } = sdk::Instant::from_unix_seconds(unix_seconds);
    Instant { unix_seconds, hour, minute, weekday }
}

fn sdk_request(request: &Request, settings: &str) -> sdk::Request {
    let json = |members: &serde_json::Map<String, Value>| sdk::Json::from(Value::Object(members.clone()));
    let context = &request.context;
    sdk::Request {
        account: sdk::Account {
            id: request.account.id.clone(),
            user_name: request.account.user_name.clone(),
            display_name: request.account.display_name.clone(),
            attributes: json(&request.account.attributes),
        },
        client: sdk::Client {
            client_id: request.client.client_id.clone(),
            display_name: request.client.display_name.clone(),
            auth_method: request.client.auth_method.clone(),
            attributes: json(&request.client.attributes),
        },
        api: sdk::Api {
            app_id: request.api.app_id.clone(),
            audience: request.api.audience.clone(),
            scopes: request.api.scopes.clone(),
            attributes: json(&request.api.attributes),
        },
        grant_type: request.grant_type.clone(),
        requested: request.requested.clone(),
        offered: request.offered.clone(),
        ttl_seconds: request.ttl_seconds,
        context: sdk::Context {
            time: context.time.map(|time| sdk::Instant {
                unix_seconds: time.unix_seconds,
                hour: time.hour,
                minute: time.minute,
                weekday: time.weekday,
            }),
            request_id: context.request_id.clone(),
            remote_address: context.remote_address.clone(),
            user_agent: context.user_agent.clone(),
            parameters: context.parameters.clone(),
        },
        settings: settings.into(),
        extra: json(&request.extra),
    }
}
