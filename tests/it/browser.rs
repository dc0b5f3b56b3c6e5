//! The console in a real browser. Where none is installed the tests say that they were skipped; CI installs one, and
//! sets `BROWSER_REQUIRED`, which makes skipping a failure.
//!
//! Every test ends with a look at what the browser complained of: an error on its console, or one word of its
//! security policy, fails it.

mod attacks;
mod driver;
mod forms;
mod howto;
mod looks;
mod page;
pub mod scene;
mod scripts;
mod sessions;
