//! The JSON Schema of settings. `#[settings]` writes most of it at compile time: what runs here joins pieces of text,
//! since a schema library would be larger than the policies.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

/// What a schema is written to.
pub type Text = String;

/// A type that can tell its JSON Schema.
pub trait Schema {
    /// Appends a JSON object. `description` is a JSON string that goes before what the type says of itself.
    fn write(out: &mut Text, description: Option<&'static str>);
}

/// The schema of a type, as text.
#[must_use]
pub fn text<S: Schema>() -> String {
    let mut out = String::new();
    S::write(&mut out, None);
    out
}

/// Opens a schema object with its description.
pub fn open(out: &mut Text, description: Option<&'static str>) {
    out.push('{');
    if let Some(description) = description {
        out.push_str("\"description\":");
        out.push_str(description);
        out.push(',');
    }
}

macro_rules! plain {
    ($($members:literal: $($type:ty),*;)*) => {$($(
        impl Schema for $type {
            fn write(out: &mut Text, description: Option<&'static str>) {
                open(out, description);
                out.push_str($members);
                out.push('}');
            }
        }
    )*)*};
}

plain! {
    r#""type":"string""#: String;
    r#""type":"boolean""#: bool;
    r#""type":"number""#: f32, f64;
    r#""type":"integer""#: i64;
    r#""type":"integer","minimum":0"#: u64, usize;
    r#""type":"integer","minimum":0,"maximum":4294967295"#: u32;
    r#""type":"integer","minimum":0,"maximum":65535"#: u16;
    r#""type":"integer","minimum":0,"maximum":255"#: u8;
    r#""type":"integer","minimum":-2147483648,"maximum":2147483647"#: i32;
}

impl Schema for Value {
    fn write(out: &mut Text, description: Option<&'static str>) {
        match description {
            Some(description) => {
                out.push_str("{\"description\":");
                out.push_str(description);
                out.push('}');
            }
            None => out.push_str("{}"),
        }
    }
}

impl<S: Schema> Schema for Option<S> {
    fn write(out: &mut Text, description: Option<&'static str>) {
        S::write(out, description);
    }
}

impl<S: Schema> Schema for Box<S> {
    fn write(out: &mut Text, description: Option<&'static str>) {
        S::write(out, description);
    }
}

impl<S: Schema> Schema for Vec<S> {
    fn write(out: &mut Text, description: Option<&'static str>) {
        open(out, description);
        out.push_str(r#""type":"array","items":"#);
        S::write(out, None);
        out.push('}');
    }
}

impl<S: Schema> Schema for BTreeMap<String, S> {
    fn write(out: &mut Text, description: Option<&'static str>) {
        open(out, description);
        out.push_str(r#""type":"object","additionalProperties":"#);
        S::write(out, None);
        out.push('}');
    }
}

impl Schema for Map<String, Value> {
    fn write(out: &mut Text, description: Option<&'static str>) {
        open(out, description);
        out.push_str(r#""type":"object"}"#);
    }
}
