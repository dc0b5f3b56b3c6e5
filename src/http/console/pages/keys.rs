//! Settings → Keys: the life of each signing key on a time line, and rotating them.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::activity::share;
use crate::admin::operations;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::http::console::answer::Reply;
use crate::http::console::draft::{Draft, Form};
use crate::http::console::layout::{Page, Section};
use crate::http::console::parts::text::{Tone, badge};
use crate::http::console::parts::{dialog, field, time};
use crate::http::console::view::{View, reason_of};
use crate::model::api::SigningAlg;
use crate::model::api_token::Role;
use crate::store::{KeyRow, KeyState};

const PATH: &str = "/console/keys";
const ROTATE: &str = "/console/keys/rotate";
const DAY_MS: i64 = 86_400_000;

pub(crate) fn draw(view: &View<'_>, _: &Draft<'_>) -> Result<Reply> {
    Ok(page(view).into())
}

fn page(view: &View<'_>) -> Page {
    let keys = view.app.signer.key_rows();
    let line = TimeLine::of(view, &keys);
    let body = html! {
        div.stack {
            @for alg in SigningAlg::ALL {
                @let own: Vec<&KeyRow> = keys.iter().filter(|key| key.alg == alg).collect();
                section.card aria-labelledby=(alg.as_str()) {
                    header { h2 id=(alg.as_str()) { (alg.as_str()) } span.quiet { (next_turn(view, &own)) } }
                    (line.draw(&own))
                    (key_table(view, &own))
                }
            }
            p.legend {
                span.key-next {} "Published, to be known in time" span.key-active {} "Signs"
                span.key-retired {} "Published until what it signed has ended"
            }
        }
    };
    let lead = html! { p { "Tokens are signed with the active key of the API's algorithm. Private keys are sealed, and never leave the server." } };
    let actions = html! { @if view.may(Role::Admin) { a.button href=(ROTATE) { "Rotate keys" } } };
    Page::new(Section::Keys, "Keys").lead(lead).actions(actions).body(body)
}

/// When an active key is due to be followed.
fn due(view: &View<'_>, key: &KeyRow) -> Option<Timestamp> {
    let days = i64::from(view.app.config.keys.rotate_days);
    key.activated_at.map(|since| since.plus_seconds(days * 86_400))
}

fn next_turn(view: &View<'_>, keys: &[&KeyRow]) -> Markup {
    let active = keys.iter().find(|key| key.state == KeyState::Active);
    html! {
        @if let Some(due) = active.and_then(|key| due(view, key)) { "Rotates by itself " (time::relative(due, view.now)) }
    }
}

/// What the keys' lives are drawn on: from the first that is known of to the last that is planned.
struct TimeLine {
    start: i64,
    end: i64,
    now: i64,
    rotate_days: i64,
}

/// Pixels of a key's row; across the drawing takes what room there is.
const ROW: i64 = 26;
/// Marks on the time line that a narrow screen has room for.
const NARROW_MARKS_MAX: usize = 3;

impl TimeLine {
    fn of(view: &View<'_>, keys: &[KeyRow]) -> Self {
        let now = view.now.ms();
        let rotate_days = i64::from(view.app.config.keys.rotate_days);
        let start = keys.iter().map(|key| key.created_at.ms()).min().unwrap_or(now);
        let planned = keys.iter().filter_map(|key| key.remove_at.or_else(|| due(view, key))).map(Timestamp::ms).max();
        let end = planned.unwrap_or(now).max(now + DAY_MS);
        let room = (end - start) / 24;
        Self { start: start.min(now - DAY_MS) - room, end: end + room, now, rotate_days }
    }

    fn x(&self, ms: i64) -> String {
        share(ms.clamp(self.start, self.end) - self.start, self.end - self.start)
    }

    fn bar(&self, class: &str, row: i64, from: i64, to: i64) -> Markup {
        let (from, to) = (from.clamp(self.start, self.end), to.clamp(self.start, self.end));
        // What is there is seen, however short it is beside the whole.
        let width = share((to - from).max((self.end - self.start) / 200), self.end - self.start);
        html! { rect class=(class) x=(self.x(from)) y=(row * ROW + 7) width=(width) height="12" rx="3" {} }
    }

    fn draw(&self, keys: &[&KeyRow]) -> Markup {
        // When the active key is due, the next one takes its turn.
        let since = keys.iter().filter(|key| key.state == KeyState::Active).find_map(|key| key.activated_at);
        let turn = since.map_or(self.end, |since| since.ms() + self.rotate_days * DAY_MS);
        let height = i64::try_from(keys.len()).unwrap_or(0) * ROW + 18;
        let now = self.x(self.now);
        let months = self.months();
        let step = months.len().div_ceil(NARROW_MARKS_MAX).max(1);
        html! {
            svg.time-line height=(height) role="img" aria-label="The life of each key; the table says the same" {
                @for (index, (at, month)) in months.iter().enumerate() {
                    line.grid x1=(self.x(*at)) x2=(self.x(*at)) y1="0" y2=(height - 16) {}
                    text.less[index % step > 0] x=(self.x(*at)) dx="4" y=(height - 4) { (month) }
                }
                @for (row, key) in (0_i64..).zip(keys) { (self.key(row, key, turn)) }
                line.now x1=(now) x2=(now) y1="0" y2=(height - 16) {}
            }
        }
    }

    fn key(&self, row: i64, key: &KeyRow, turn: i64) -> Markup {
        let made = key.created_at.ms();
        let active = key.activated_at.map(Timestamp::ms);
        let retired = key.retired_at.map(Timestamp::ms);
        let ends = |since: i64| since + self.rotate_days * DAY_MS;
        html! {
            (self.bar("key-next", row, made, active.unwrap_or(turn)))
            @if let Some(active) = active { (self.bar("key-active", row, active, retired.unwrap_or_else(|| ends(active)))) }
            @if let (Some(retired), Some(removed)) = (retired, key.remove_at) { (self.bar("key-retired", row, retired, removed.ms())) }
        }
    }

    /// Where months begin, as far as they fit beside one another.
    fn months(&self) -> Vec<(i64, String)> {
        const MARKS_MAX: usize = 12;
        let mut marks = Vec::new();
        let mut at = self.start;
        while at < self.end {
            let text = Timestamp::from_ms(at).to_string();
            let month = text.get(..7).unwrap_or_default().to_owned();
            if let Some(first) = Timestamp::parse(&format!("{month}-01T00:00:00Z"))
                && first.ms() > self.start
                && marks.last().is_none_or(|(last, _)| *last < first.ms())
            {
                marks.push((first.ms(), month));
            }
            at += 20 * DAY_MS;
        }
        let step = marks.len().div_ceil(MARKS_MAX).max(1);
        marks.into_iter().step_by(step).collect()
    }
}

fn key_table(view: &View<'_>, keys: &[&KeyRow]) -> Markup {
    html! {
        div.table.flat {
            table {
                caption.sr { "Keys" }
                thead {
                    tr {
                        th scope="col" { "Key" } th scope="col" { "State" } th.less scope="col" { "Published" }
                        th.less scope="col" { "Signs since" } th scope="col" { "Leaves" }
                    }
                }
                tbody {
                    @for key in keys {
                        tr {
                            td { code { (key.kid) } }
                            td { (state(key.state)) }
                            td.less { (time::relative(key.created_at, view.now)) }
                            td.less { (time::relative_or(key.activated_at, view.now, "Not yet")) }
                            td { (time::relative_or(key.remove_at, view.now, "—")) }
                        }
                    }
                }
            }
        }
    }
}

fn state(state: KeyState) -> Markup {
    match state {
        KeyState::Next => badge(Tone::Care, "Next"),
        KeyState::Active => badge(Tone::Good, "Active"),
        KeyState::Retired => badge(Tone::Plain, "Retired"),
    }
}

pub(crate) fn draw_rotate(view: &View<'_>, draft: &Draft<'_>) -> Result<Reply> {
    let algorithms = [
        ("", "All", "Each algorithm's next key takes its turn."),
        ("RS256", "RS256", "Only the RSA keys."),
        ("ES256", "ES256", "Only the P-256 keys."),
        ("EdDSA", "EdDSA", "Only the Ed25519 keys."),
    ];
    let fields = html! {
        p { "The next key, which verifiers know by now, signs from here on. The one that signs today stays published until its tokens have ended." }
        (field::choice(draft, "alg", "Which", draft.text("alg", ""), &algorithms))
        (field::tick(draft, "force", "Even if the next key is too new", draft.is_ticked("force", false),
            "Verifiers that keep a copy of the public keys may refuse tokens until they fetch them again. For when a key has leaked."))
        (field::reason(draft))
    };
    let form = field::form(view, draft, ROTATE, &fields, &dialog::buttons("Rotate", PATH));
    Ok(page(view).dialog("Rotate keys", dialog::dialog("Rotate signing keys", PATH, &form)).into())
}

pub(crate) fn rotate(view: &View<'_>, form: &Form) -> Result<Reply> {
    let mut body = Map::new();
    body.extend(form.text("alg").map(|alg| ("alg".to_owned(), Value::from(alg))));
    body.insert("force".to_owned(), form.is_ticked("force").into());
    operations::keys_rotate(view.app, &body, &view.origin(reason_of(form)?))?;
    Ok(Reply::to(PATH).saying("Rotated the keys"))
}
