//! Reading a body's JSON strictly: bounded in depth, and a member that stands twice is an error, not a guess.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::json;

/// The JSON text in `body`, whatever content type it came with. An empty body is null.
///
/// # Errors
/// `Malformed`, with line and column.
pub(crate) fn parse(body: &[u8]) -> Result<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    json::parse(body).map_err(|error| Error::Malformed(format!("the body is not JSON as it should be: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::DEPTH_MAX;

    #[test]
    fn depth_and_repeats_are_bounded() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
        assert!(parse(&nested(10_000)).is_err());
        assert!(parse(br#"{"a":1,"a":2}"#).unwrap_err().to_string().contains("stands twice"));
        assert!(parse(b"{} {}").is_err());
        assert!(parse(b"\xff").is_err());
        assert_eq!(parse(b" \n").unwrap(), Value::Null);
        assert_eq!(parse(b"\n{\"a\":[1,-2,1.5,\"x\",null,true]}").unwrap()["a"][2], 1.5);
    }
}
