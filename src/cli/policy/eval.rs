//! `grantd policy eval`: a component asked once on this machine, with what its answer rests on and what it cost.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use grantd::config::PoliciesConfig;
use grantd::policy::Evaluation;
use grantd::policy::abi::{Decision, Request};
use grantd::policy::cases::{self, effect};
use grantd::policy::grounds::{Found, grounds};
use serde_json::{Map, Value, json};

use super::attach::read_settings;
use super::caseload::{CompileArgs, OnBench, tell_printed};
use super::module::{inputs, milliseconds};
use super::replay::UNASKED;
use crate::cli::output::{Form, card, whole};
use crate::cli::remote::{Remote, RemoteArgs};
use crate::cli::{Failure, Outcome, Settings, note};

/// Largest file that is read as a request.
const INPUT_BYTES_MAX: u64 = cases::FILE_BYTES_MAX as u64;
/// Scopes that were cut from an answer, as many as are shown.
const CUT_SHOWN_MAX: usize = 20;

#[derive(Args)]
pub(super) struct EvalArgs {
    /// The component: a .wasm file
    file: PathBuf,
    /// The request: a file of JSON or YAML with the members of a case's request, or - for standard input [default: {}]
    #[arg(long, value_name = "FILE", conflicts_with = "from_db")]
    input: Option<String>,
    /// What the module is told: JSON, or a file of JSON or YAML, or - for standard input [default: {}]
    #[arg(long, value_name = "JSON | FILE")]
    settings: Option<String>,
    /// Ask the server for the request that a client or an account would make now
    #[arg(long, requires = "whom")]
    from_db: bool,
    #[command(flatten)]
    whom: Whom,
    /// For a token at this API
    #[arg(long, value_name = "API", requires = "from_db")]
    api: Option<String>,
    /// A scope that is asked for; may be repeated
    #[arg(long = "scope", value_name = "SCOPE", requires = "from_db")]
    scopes: Vec<String>,
    /// At this time, instead of now
    #[arg(long, value_name = "DATE-TIME", requires = "from_db")]
    at: Option<String>,
    /// From this IP address
    #[arg(long, value_name = "ADDRESS", requires = "from_db")]
    address: Option<String>,
    #[command(flatten)]
    compile: CompileArgs,
}

#[derive(Args)]
#[group(id = "whom", multiple = false)]
struct Whom {
    /// A request of this client: its client id, or an id
    #[arg(long, requires = "from_db")]
    client: Option<String>,
    /// A request of this account's first client
    #[arg(long, requires = "from_db")]
    account: Option<String>,
}

impl EvalArgs {
    pub(super) fn run(&self, settings: &Settings, remote: &RemoteArgs, form: Form) -> Outcome {
        let told = self.settings.as_deref().map(read_settings).transpose()?;
        let told = told.unwrap_or_else(|| Value::Object(Map::new()));
        let subject = OnBench::open_to_listen(settings, &self.file, &self.compile)?;
        let request =
            if self.from_db { self.request_of_server(settings, remote, &subject)? } else { self.read(&subject)? };
        let unfit = |what: String| {
            tell_printed(&subject.take_printed());
            Failure::failed(format!("{}: {what}", self.file.display()))
        };
        let text = told.to_string();
        if let Err(why) = subject.fits(&text).map_err(unfit)? {
            return Err(unfit(format!("the module refuses these settings: {why}")));
        }
        tell_printed(&subject.take_printed());
        // The first call of a process also pays for what every later one finds in place.
        subject.ask(&request, &text).map_err(unfit)?;
        let evaluation = subject.ask(&request, &text).map_err(unfit)?;
        let may_ask = |request: &Request, settings: &Value| {
            let text = settings.to_string();
            let fits = subject.fits(&text).is_ok_and(|fits| fits.is_ok());
            if fits { subject.ask(request, &text).ok().map(|evaluation| evaluation.decision) } else { None }
        };
        let found = grounds(&may_ask, &request, &told).unwrap_or_default();
        let asked = Asked { subject: &subject, request: &request, settings: &told, evaluation: &evaluation, found };
        if form == Form::Table { asked.print() } else { whole(form, &asked.to_json()) }
    }

    /// The request in a file.
    fn read(&self, subject: &OnBench) -> Outcome<Request> {
        let (name, text) = match self.input.as_deref() {
            None => ("the request", "{}".to_owned()),
            Some("-") => ("standard input", bounded(std::io::stdin(), "standard input")?),
            Some(file) => {
                let opened = std::fs::File::open(Path::new(file));
                let opened = opened.map_err(|error| Failure::failed(format!("{file}: {error}")))?;
                (file, bounded(opened, file)?)
            }
        };
        let case = cases::parse_request(&text).map_err(|error| Failure::failed(format!("{name}: {error}")))?;
        let inputs = &subject.specimen.manifest().inputs;
        if let Some(unlisted) = cases::unlisted(&case, inputs) {
            note(&format!("{name} {unlisted}"));
        }
        Ok(cases::asked(&case, inputs))
    }

    /// The request that the server's data make.
    fn request_of_server(&self, settings: &Settings, remote: &RemoteArgs, subject: &OnBench) -> Outcome<Request> {
        let remote = Remote::connect(settings, remote)?;
        let mut body = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            body.extend(value.map(|value| (name.to_owned(), value)));
        };
        let text_of = |value: &Option<String>| value.as_deref().map(Value::from);
        put("client", text_of(&self.whom.client));
        put("account", text_of(&self.whom.account));
        put("api", text_of(&self.api));
        put("at", text_of(&self.at));
        put("remoteAddress", text_of(&self.address));
        put("scopes", (!self.scopes.is_empty()).then(|| json!(self.scopes)));
        put("inputs", Some(json!(subject.specimen.manifest().inputs)));
        let mut answer = remote.post("/policy-requests", &Value::Object(body))?;
        note(UNASKED);
        serde_json::from_value(answer["request"].take())
            .map_err(|error| Failure::failed(format!("the server's request cannot be read: {error}")))
    }
}

/// A question, and all that is known of its answer.
struct Asked<'a> {
    subject: &'a OnBench,
    request: &'a Request,
    settings: &'a Value,
    evaluation: &'a Evaluation,
    found: Found,
}

impl Asked<'_> {
    fn module(&self) -> String {
        let manifest = self.subject.specimen.manifest();
        format!("{}@{}", manifest.name, manifest.version)
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.evaluation.elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    /// What a server would make of the answer.
    fn effect(&self) -> Decision {
        effect(self.request, self.evaluation.decision.clone())
    }

    fn to_json(&self) -> Value {
        let Self { subject, evaluation, found, .. } = self;
        let rests = found
            .grounds
            .iter()
            .map(|ground| json!({"what": ground.what, "value": ground.value, "otherwise": ground.otherwise}));
        json!({
            "module": self.module(),
            "moduleDigest": subject.specimen.digest,
            "request": Request { settings: self.settings.clone(), ..self.request.clone() },
            "decision": evaluation.decision,
            "effect": self.effect(),
            "restsOn": rests.collect::<Vec<_>>(),
            "triedInVain": found.tried(),
            "printed": evaluation.printed,
            "compiledInMs": subject.specimen.compiled_in.map(milliseconds),
            "fuel": evaluation.fuel,
            "micros": self.micros(),
            "memoryBytes": evaluation.memory_bytes,
        })
    }

    fn print(&self) -> Outcome {
        let Self { subject, request, evaluation, found, .. } = self;
        let (says, leaves, claims, remark) = match self.effect() {
            Decision::Permit(permit) => {
                let seconds = permit.ttl_seconds.unwrap_or(request.ttl_seconds);
                let leaves = format!("{} for {seconds} s", permit.scopes.join(" "));
                let claims = if permit.claims.is_empty() { String::new() } else { json!(permit.claims).to_string() };
                ("permit".to_owned(), leaves, claims, permit.note.unwrap_or_default())
            }
            Decision::Deny(denial) => {
                (format!("deny {}: {}", denial.code, denial.reason), String::new(), String::new(), String::new())
            }
        };
        let grounds = found.grounds.iter();
        let rests: Vec<String> =
            grounds.map(|ground| format!("{} = {}; {}", ground.what, ground.value, ground.otherwise)).collect();
        let rests = if rests.is_empty() { found.nothing_changed() } else { rests.join("\n") };
        let compiled = subject.specimen.compiled_in.map(milliseconds);
        let compiled = compiled.map_or_else(|| "before".to_owned(), |ms| format!("now, in {ms} ms"));
        card(&[
            ("module", self.module()),
            ("looks at", inputs(&json!({"inputs": subject.specimen.manifest().inputs}))),
            ("offered", format!("{} for {} s", request.offered.join(" "), request.ttl_seconds)),
            ("says", says),
            ("leaves", leaves),
            ("also named, and cut", cut(request, &evaluation.decision)),
            ("claims", claims),
            ("note", remark),
            ("printed", evaluation.printed.trim_end().to_owned()),
            ("rests on", rests),
            ("compiled", compiled),
            ("cost", cost(evaluation, self.micros(), subject.bench.limits())),
        ])
    }
}

/// What an answer names beyond what was offered, and no server leaves of it: scopes, and a longer lifetime.
fn cut(request: &Request, answer: &Decision) -> String {
    let Decision::Permit(permit) = answer else { return String::new() };
    let foreign: Vec<&str> =
        permit.scopes.iter().filter(|scope| !request.offered.contains(scope)).map(String::as_str).collect();
    let mut parts = Vec::new();
    if !foreign.is_empty() {
        let more = foreign.len().saturating_sub(CUT_SHOWN_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        parts.push(format!("{}{more}", foreign.into_iter().take(CUT_SHOWN_MAX).collect::<Vec<_>>().join(" ")));
    }
    if let Some(seconds) = permit.ttl_seconds.filter(|seconds| *seconds > request.ttl_seconds) {
        parts.push(format!("a lifetime of {seconds} s"));
    }
    parts.join(", ")
}

fn cost(evaluation: &Evaluation, micros: u64, limits: &PoliciesConfig) -> String {
    let memory = evaluation.memory_bytes as u64;
    let fuel = share(evaluation.fuel, limits.fuel);
    let of_memory = share(memory, limits.memory_bytes() as u64);
    let kib = memory.div_ceil(1024);
    format!("{} fuel ({fuel} of the limit), {kib} KiB of memory ({of_memory}), {micros} µs", evaluation.fuel)
}

/// A part of a limit, in percent.
pub(super) fn share(part: u64, limit: u64) -> String {
    let tenths = part.saturating_mul(1000) / limit.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn bounded(from: impl Read, name: &str) -> Outcome<String> {
    let mut text = String::new();
    let read = from.take(INPUT_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::failed(format!("{name}: {error}")))?;
    Ok(text)
}
