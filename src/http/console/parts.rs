//! What pages are made of.

pub(super) mod access;
pub(super) mod body;
pub(super) mod dialog;
pub(super) mod diff;
pub(super) mod field;
pub(super) mod history;
pub(super) mod icon;
pub(super) mod list;
pub(super) mod schema_form;
pub(super) mod scopes;
pub(super) mod snippet;
pub(super) mod text;
pub(super) mod time;
pub(super) mod tokens;
