//! The component's side: the bindings of `policy.wit`, and the way from them to plain structs and back.

use alloc::string::{String, ToString};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;

use serde_json::Value;

use self::exports::grantd::policy::evaluator::Guest;
use self::grantd::policy::types as wit;
use crate::{Account, Api, Client, Context, Decision, Input, Instant, Json, Policy, Request, TimeStep};

wit_bindgen::generate!({
    path: "../wit/policy.wit",
    world: "policy",
    pub_export_macro: true,
    default_bindings_module: "grantd_policy::wasm",
});

// The standard library, where a policy links it, brings both of these.
#[cfg(not(feature = "std"))]
mod runtime {
    #[global_allocator]
    static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

    /// A component has nobody to tell. The host reports the trap, by function where the module has names.
    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        core::arch::wasm32::unreachable()
    }
}

/// Answers the host's questions with a policy.
pub struct Component<P>(PhantomData<P>);

impl<P: Policy> Guest for Component<P> {
    fn describe() -> wit::Manifest {
        let manifest = P::MANIFEST;
        wit::Manifest {
            name: manifest.name.into(),
            version: manifest.version.into(),
            description: manifest.description.into(),
            settings_schema: crate::schema::text::<P::Settings>(),
            inputs: manifest.inputs.iter().copied().map(input).collect(),
        }
    }

    fn validate_settings(settings: String) -> Result<(), String> {
        crate::validate::<P>(&settings)
    }

    fn evaluate(asked: wit::Request) -> wit::Decision {
        // The instance ends with the answer, and its memory with it: giving some twenty texts back is a quarter of a call.
        let request = ManuallyDrop::new(request(asked));
        decision(crate::evaluate::<P>(&request))
    }
}

fn input(input: Input) -> wit::Input {
    match input {
        Input::Time(TimeStep::Second) => wit::Input::Time(wit::TimeStep::Second),
        Input::Time(TimeStep::Minute) => wit::Input::Time(wit::TimeStep::Minute),
        Input::Time(TimeStep::Hour) => wit::Input::Time(wit::TimeStep::Hour),
        Input::Time(TimeStep::Day) => wit::Input::Time(wit::TimeStep::Day),
        Input::RequestId => wit::Input::RequestId,
        Input::RemoteAddress => wit::Input::RemoteAddress,
        Input::UserAgent => wit::Input::UserAgent,
        Input::Parameter(name) => wit::Input::Parameter(name.into()),
    }
}

fn request(asked: wit::Request) -> Request {
    let wit::Request { account, client, api, context, .. } = asked;
    Request {
        account: Account {
            id: account.id,
            user_name: account.user_name,
            display_name: account.display_name,
            attributes: Json::from(account.attributes),
        },
        client: Client {
            client_id: client.client_id,
            display_name: client.display_name,
            auth_method: client.auth_method,
            attributes: Json::from(client.attributes),
        },
        api: Api {
            app_id: api.app_id,
            audience: api.audience,
            scopes: api.scopes,
            attributes: Json::from(api.attributes),
        },
        grant_type: asked.grant_type,
        requested: asked.requested,
        offered: asked.offered,
        ttl_seconds: asked.ttl_seconds,
        context: Context {
            time: context.time.map(|time| Instant {
                unix_seconds: time.unix_seconds,
                hour: time.hour,
                minute: time.minute,
                weekday: time.weekday,
            }),
            request_id: context.request_id,
            remote_address: context.remote_address,
            user_agent: context.user_agent,
            parameters: context.parameters,
        },
        settings: Json::from(asked.settings),
        extra: Json::from(asked.extra),
    }
}

fn decision(decision: Decision) -> wit::Decision {
    match decision {
        Decision::Permit(permit) => wit::Decision::Permit(wit::Permit {
            scopes: permit.scopes,
            ttl_seconds: permit.ttl_seconds,
            claims: (!permit.claims.is_empty()).then(|| Value::Object(permit.claims).to_string()),
            note: permit.note,
        }),
        Decision::Deny(denial) => wit::Decision::Deny(wit::Denial { code: denial.code, reason: denial.reason }),
    }
}
