//! Declared access: a document says by name what accounts, clients, APIs, grants and policies there should be, and
//! one write makes it so.
//!
//! `document.rs` reads the JSON form, `plan.rs` finds out what differs, `store/apply.rs` writes it, `form.rs` and
//! `export.rs` write documents, `file.rs` reads them out of files. The admin API, the command line and the start of
//! a server all come here.

mod document;
mod export;
pub mod file;
mod form;
mod plan;
mod report;

use serde_json::Value;

pub(crate) use document::Document;
pub use document::ITEMS_MAX;
pub(crate) use export::export;
pub use report::{CHANGES_TOLD_MAX, MadeSecret, Report};

use crate::app::App;
use crate::error::{Error, Result, Violation};
use crate::model::fields::reference_name;
use crate::store::Origin;

/// Under which name things are made when no other is given.
pub const OWNER_DEFAULT: &str = "apply";
/// How often a plan is made anew when something else was committed meanwhile.
const ATTEMPTS_MAX: usize = 5;
/// Why a document that declares nothing is not applied with prune: an export that failed, and a file that was cut to
/// nothing, look like one.
pub const PRUNES_ALL: &str = "the document declares nothing, and to prune by it would delete everything that was \
    applied under this owner: see why it is empty; to delete all that on purpose, delete it by name";

/// How to apply a document.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only find out what would change.
    pub dry_run: bool,
    /// Also delete what an earlier apply under the same owner made and the document no longer has.
    pub prune: bool,
    /// Under which name it makes things.
    pub owner: String,
    /// Whether secrets may be made. They are shown once: somebody must be there to see them.
    pub may_generate: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { dry_run: false, prune: false, owner: OWNER_DEFAULT.to_owned(), may_generate: true }
    }
}

/// Applies what was read out of files, as the system: how a server begins with what it is given.
///
/// # Errors
/// `Setup`, with file, line and column; `Unavailable` or `Internal` from the database.
pub fn apply_files(app: &App, files: &file::Files, options: &Options, reason: &str) -> Result<Report> {
    let origin = Origin::system(reason);
    for module in &files.modules {
        // One that is there may be unsigned, or come with a signature now.
        crate::admin::policies::module_upload(app, &module.bytes()?, module.signature.as_deref(), &origin)?;
    }
    apply(app, files.document.clone(), options, &origin).map_err(|error| match error {
        Error::Invalid(violations) => Error::Setup(files.explain(&violations)),
        other => other,
    })
}

/// Makes the store be as a document in its JSON form says. Blocks. Everything is written, or nothing.
///
/// # Errors
/// `Invalid`: what does not fit, each with a pointer into the document, and `/prune` for one that declares nothing;
/// `Forbidden`, `InUse` and `Taken` as the admin API has them; `Stale` when others write all the time; `Unavailable`
/// while another apply runs.
pub fn apply(app: &App, body: Value, options: &Options, origin: &Origin) -> Result<Report> {
    let document = Document::read(body).map_err(|error| Error::Malformed(format!("the document: {error}")))?;
    apply_document(app, &document?, options, origin)
}

/// As [`apply`], for a document that was read.
pub(crate) fn apply_document(app: &App, document: &Document, options: &Options, origin: &Origin) -> Result<Report> {
    if let Err(message) = reference_name(&options.owner) {
        return Err(Error::Malformed(format!("the owner {message}")));
    }
    if options.prune && document.is_empty() {
        return Err(Error::Invalid(vec![Violation::new("/prune", true.into(), PRUNES_ALL)]));
    }
    let _turn = app.applying.try_lock().map_err(|_| Error::Unavailable {
        detail: "another apply is running: nothing was changed; try again when it is done".to_owned(),
        cause: "one apply at a time".to_owned(),
    })?;
    let mut refusal = None;
    for _attempt in 0..ATTEMPTS_MAX {
        let generation = app.store.generation()?;
        let (is_of_one_moment, planned) = match plan::plan(app, document, options, origin) {
            Ok(plan::Plan { draft, report }) if options.dry_run || draft.is_empty() => {
                (app.store.generation()? == generation, Ok(report))
            }
            Ok(plan::Plan { draft, report }) => (app.store.draft_commit(draft, &options.owner)?.is_some(), Ok(report)),
            Err(error) => (app.store.generation()? == generation, Err(error)),
        };
        if is_of_one_moment {
            return planned;
        }
        // What was read at several moments may never have been so: neither the same as the document, nor in its way.
        refusal = planned.err();
    }
    let stale = "others changed things all the while this was planned: nothing was changed; try again";
    Err(refusal.unwrap_or_else(|| Error::Stale(stale.to_owned())))
}
