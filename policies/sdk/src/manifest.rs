//! What a policy says of itself. It is a constant: a module must say the same every time.

/// How exact the time is that a policy gets. The coarser, the longer an answer can be reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeStep {
    /// The second.
    Second,
    /// The minute.
    Minute,
    /// The hour.
    Hour,
    /// The day, in UTC.
    Day,
}

/// A changing input that a policy looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The time, truncated to this step.
    Time(TimeStep),
    /// The `X-Request-Id` of the token request. It is different each time, so no answer is ever reused.
    RequestId,
    /// The caller's IP address.
    RemoteAddress,
    /// The caller's `User-Agent`.
    UserAgent,
    /// A parameter of the token request, by name.
    Parameter(&'static str),
}

/// What a policy says of itself. [`manifest!`](crate::manifest!) fills it from the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `[a-z0-9-]{1,64}`.
    pub name: &'static str,
    /// Semantic version.
    pub version: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// The policy gets these and no other, and its answers are reused for as long as these stay the same.
    pub inputs: &'static [Input],
}

/// A [`Manifest`] with name, version and description of the package's `Cargo.toml`, and these inputs.
///
/// ```
/// use grantd_policy::{Input, Manifest, TimeStep, manifest};
/// const MANIFEST: Manifest = manifest!(Input::Time(TimeStep::Minute), Input::RemoteAddress);
/// assert_eq!(MANIFEST.inputs.len(), 2);
/// ```
#[macro_export]
macro_rules! manifest {
    ($($input:expr),* $(,)?) => {
        $crate::Manifest {
            name: ::core::env!("CARGO_PKG_NAME"),
            version: ::core::env!("CARGO_PKG_VERSION"),
            description: ::core::env!("CARGO_PKG_DESCRIPTION"),
            inputs: &[$($input),*],
        }
    };
}
