//! The clock of a `grantd dev`, set by whoever tests what time does.

use serde_json::{Map, Value, json};

use crate::app::App;
use crate::clock::{Shift, Timestamp};
use crate::error::{Error, Result, Violation};
use crate::model::fields::Fields;

/// Farthest step at a time: ten years.
const ADVANCE_SECONDS: std::ops::RangeInclusive<i64> = -315_576_000..=315_576_000;

/// What the clock shows, and how it differs from the machine's.
pub(crate) fn show(app: &App) -> Result<Value> {
    let shift = app.clock.shift().ok_or_else(no_such_clock)?;
    let (offset_seconds, stands_still) = match shift {
        Shift::None => (json!(0), false),
        Shift::Ahead(ms) => (json!(ms / 1000), false),
        Shift::Still(_) => (Value::Null, true),
    };
    Ok(json!({"now": app.clock.now().to_string(), "offsetSeconds": offset_seconds, "frozen": stands_still}))
}

/// `{"set": TIME}`, `{"advance": SECONDS}` or `{"release": true}`; with `"frozen": true` it stands still from there.
/// What time makes due (keys that rotate, for one) is done at once.
pub(crate) fn change(app: &App, body: &Map<String, Value>) -> Result<Value> {
    let shift = app.clock.shift().ok_or_else(no_such_clock)?;
    let mut fields = Fields::new(body, "");
    let set = fields.time("set");
    let advances = fields.raw("advance").is_some();
    let seconds = fields.integer("advance", ADVANCE_SECONDS, 0);
    let release = fields.flag("release", false);
    let frozen = fields.flag("frozen", matches!(shift, Shift::Still(_)));
    if usize::from(set.is_some()) + usize::from(advances) + usize::from(release) != 1 {
        fields.violate("", "send one of set, advance and release");
    }
    let violations = fields.finish(&[]);
    if !violations.is_empty() {
        return Err(Error::Invalid(violations));
    }
    if release {
        app.clock.release();
    } else {
        let advanced = || Timestamp::from_ms(app.clock.now().ms().saturating_add(seconds * 1000));
        app.clock.shift_to(set.unwrap_or_else(advanced), frozen);
    }
    app.signer.maintain(&app.store, &app.server_keys, &app.clock)?;
    show(app)
}

fn no_such_clock() -> Error {
    Error::Invalid(vec![Violation::new("", Value::Null, "the clock of this server cannot be set")])
}
