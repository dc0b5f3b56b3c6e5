//! The pages, one file each.

pub(super) mod about;
pub(super) mod account;
pub(super) mod account_tabs;
pub(super) mod accounts;
pub(super) mod api;
pub(super) mod api_add;
pub(super) mod api_scopes;
pub(super) mod api_tabs;
pub(super) mod api_tokens;
pub(super) mod apis;
pub(super) mod audit;
pub(super) mod client;
pub(super) mod client_add;
pub(super) mod client_secrets;
pub(super) mod clients;
pub(super) mod failure;
pub(super) mod grant;
pub(super) mod grant_add;
pub(super) mod grants;
pub(super) mod keys;
pub(super) mod marketplace;
pub(super) mod overview;
pub(super) mod session;
pub(super) mod sessions;
pub(super) mod sign_in;
