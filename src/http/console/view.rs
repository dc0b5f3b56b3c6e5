//! Who looks at a page, and what the page may look at.

use super::answer::Reply;
use super::asked::Asked;
use super::draft::{Form, ONCE};
use crate::admin::actor::Actor;
use crate::admin::one_time::Kept;
use crate::app::App;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::api_token::Role;
use crate::model::console_session::ConsoleSession;
use crate::secret::{self, Secret, SecretKind};
use crate::store::Origin;

/// How long a form that was sent is known again.
const FORM_KNOWN_SECONDS: i64 = 12 * 3600;
/// How long a secret waits for the page that shows it.
const SHOWN_SECONDS: i64 = 300;

/// Everything about one request of somebody who is signed in.
pub(super) struct View<'a> {
    pub(super) app: &'a App,
    pub(super) asked: &'a Asked,
    pub(super) actor: Actor,
    pub(super) session: ConsoleSession,
    /// What this session's forms carry.
    pub(super) form_token: String,
    /// What was done on the page before.
    pub(super) flash: Option<Flash>,
    pub(super) now: Timestamp,
}

/// A message that the next page shows.
pub(super) struct Flash(String);

impl Flash {
    /// Characters of a message; names in it can be long.
    const CHARS_MAX: usize = 300;

    pub(super) fn new(mut text: String) -> Self {
        if let Some((at, _)) = text.char_indices().nth(Self::CHARS_MAX) {
            text.truncate(at);
            text.push('…');
        }
        Self(text)
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl View<'_> {
    /// What stands in the braces of the route's path.
    pub(super) fn parameter(&self, name: &str) -> &str {
        let found = self.asked.parameters.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Whether it is let in where this role is needed: what it may not do is not offered.
    pub(super) fn may(&self, needed: Role) -> bool {
        self.actor.role >= needed
    }

    /// Who writes, and why.
    pub(super) fn origin(&self, reason: Option<&str>) -> Origin {
        origin_of(&self.actor, self.asked, reason)
    }

    /// A new key, for a form that is to be obeyed once.
    pub(super) fn once_key(&self) -> String {
        secret::generate(&self.app.clock, SecretKind::Once).expose().to_owned()
    }

    /// Does what a form says once: sent again, by a second click or by going back, it leads where it led before.
    pub(super) fn once(&self, form: &Form, submit: impl FnOnce() -> Result<Reply>) -> Result<Reply> {
        let Some(sent) = form.text(ONCE) else { return submit() };
        let key = self.app.server_keys.hash(&format!("{} {sent}", self.session.id));
        let _turn = self.app.one_time.turn(key);
        if let Some(place) = self.app.one_time.led_to(&key, self.now) {
            return Ok(Reply::to(place).saying("This was done already: the form was sent twice."));
        }
        let reply = submit()?;
        if let Reply::To { place, .. } = &reply {
            let to =
                place.split_once("shown=").map_or(place.as_str(), |(before, _)| before.trim_end_matches(['?', '&']));
            let ends_at = self.now.plus_seconds(FORM_KNOWN_SECONDS);
            self.app.one_time.lead(key, self.session.id.as_str(), to.to_owned(), self.now, ends_at);
        }
        Ok(reply)
    }

    /// Puts a secret aside for the next page of this session. The answer is the value of its `shown` parameter.
    pub(super) fn put_aside(&self, secret: Secret) -> String {
        let key = self.once_key();
        let kept = Kept::Shown { session_id: self.session.id.to_string(), secret };
        let ends_at = self.now.plus_seconds(SHOWN_SECONDS);
        self.app.one_time.keep(self.app.server_keys.hash(&key), kept, self.now, ends_at);
        key
    }

    /// The secret that was put aside for this page: shown this once.
    pub(super) fn shown_secret(&self) -> Shown {
        let Some(key) = self.asked.query.value("shown") else { return Shown::Nothing };
        match self.app.one_time.take(&self.app.server_keys.hash(key), self.now) {
            Some(Kept::Shown { session_id, secret }) if session_id == self.session.id.as_str() => Shown::Secret(secret),
            _ => Shown::Before,
        }
    }
}

/// What a page that was opened to show a secret has to show.
pub(super) enum Shown {
    /// It was not opened for that.
    Nothing,
    /// The secret.
    Secret(Secret),
    /// Nothing any more: it was shown before, or too long ago.
    Before,
}

/// The origin of what an actor writes through the console.
pub(super) fn origin_of(actor: &Actor, asked: &Asked, reason: Option<&str>) -> Origin {
    Origin {
        actor_id: actor.id.clone(),
        actor_name: actor.name.clone(),
        actor_type: actor.actor_type,
        role: actor.role,
        reason: reason.map(str::to_owned),
        correlation: None,
        request_id: asked.caller.request_id.as_str().to_owned(),
        client_ip: asked.caller.address_text(),
        user_agent: asked.caller.user_agent.as_deref().map(str::to_owned),
    }
}

/// The reason that a form gives, fit to be kept.
pub(super) fn reason_of(form: &Form) -> Result<Option<&str>> {
    let Some(reason) = form.text("_reason") else { return Ok(None) };
    let refused = |message| Error::Invalid(vec![crate::error::Violation::new("/_reason", reason.into(), message)]);
    crate::model::fields::free_text(reason).map_err(refused)?;
    Ok(Some(reason))
}
