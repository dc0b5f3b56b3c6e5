//! When an X.509 certificate holds (RFC 5280 4.1.2.5): the one thing that grantd reads in it. What leads there is
//! skipped unread, and whatever is not as it should be is no certificate.

use crate::clock::Timestamp;

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, which the first version leaves out.
const EXPLICIT_0: u8 = 0xa0;
/// RFC 5280 4.1.2.5: a certificate without an end.
const NO_END: &str = "99991231235959Z";

/// From when and until when; `None` when this is no certificate.
pub(super) fn of(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut outer = Der(certificate);
    let mut whole = Der(outer.take(SEQUENCE)?);
    let mut signed = Der(whole.take(SEQUENCE)?);
    if signed.0.first() == Some(&EXPLICIT_0) {
        signed.take(EXPLICIT_0)?;
    }
    let (_serial, _algorithm, _issuer) = (signed.take(INTEGER)?, signed.take(SEQUENCE)?, signed.take(SEQUENCE)?);
    let mut validity = Der(signed.take(SEQUENCE)?);
    Some((validity.time()?, validity.time()?))
}

/// What is left of a DER encoding (X.690).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&length, rest) = rest.split_first()?;
        let (length, rest) = if length < 0x80 {
            (usize::from(length), rest)
        } else {
            // Four bytes of length are more than any file that is read.
            let (bytes, rest) =
                rest.split_at_checked(usize::from(length & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    fn time(&mut self) -> Option<Timestamp> {
        let text = match self.0.first()? {
            // Two digits of a year: from 1950 to 2049.
            &UTC_TIME => {
                let text = std::str::from_utf8(self.take(UTC_TIME)?).ok()?;
                let century = if text.get(..2)? < "50" { "20" } else { "19" };
                format!("{century}{text}")
            }
            _ => std::str::from_utf8(self.take(GENERALIZED_TIME)?).ok()?.to_owned(),
        };
        timestamp(&text)
    }
}

/// `YYYYMMDDHHMMSSZ`. What lies outside the years that grantd knows is the nearest of them.
fn timestamp(text: &str) -> Option<Timestamp> {
    if text == NO_END {
        return Some(Timestamp::from_ms(i64::MAX));
    }
    let digits =
        text.strip_suffix('Z').filter(|digits| digits.len() == 14 && digits.bytes().all(|b| b.is_ascii_digit()))?;
    if digits < "1970" {
        return Some(Timestamp::from_ms(0));
    }
    let part = |from: usize| &digits[from..from + 2];
    let (month, day, hour, minute, second) = (part(4), part(6), part(8), part(10), part(12));
    Timestamp::parse(&format!("{}-{month}-{day}T{hour}:{minute}:{second}Z", &digits[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<Timestamp> {
        Some(Timestamp::parse(text).unwrap())
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    /// A certificate up to its dates.
    fn certificate(version: &[u8], begins: &[u8], ends: &[u8]) -> Vec<u8> {
        let validity = element(SEQUENCE, &[begins, ends].concat());
        let names = [element(INTEGER, &[7; 20]), element(SEQUENCE, &[1; 10]), element(SEQUENCE, &[2; 30])].concat();
        element(SEQUENCE, &element(SEQUENCE, &[version, &names, &validity].concat()))
    }

    #[test]
    fn dates_of_both_kinds_and_versions() {
        let utc = |text: &str| element(UTC_TIME, text.as_bytes());
        let general = |text: &str| element(GENERALIZED_TIME, text.as_bytes());
        let third = element(EXPLICIT_0, &element(INTEGER, &[2]));
        let (begins, ends) = of(&certificate(&third, &utc("491231235959Z"), &general("20500101000000Z"))).unwrap();
        assert_eq!((Some(begins), Some(ends)), (at("2049-12-31T23:59:59Z"), at("2050-01-01T00:00:00Z")));
        let (begins, ends) = of(&certificate(&[], &utc("500101000000Z"), &general(NO_END))).unwrap();
        assert_eq!((begins.ms(), ends), (0, Timestamp::from_ms(i64::MAX)));
        for bad in ["20500101000000", "2050010100000Z", "20501301000000Z", "20500101000000+", "2050010100000\u{e9}Z"] {
            assert_eq!(of(&certificate(&third, &utc("491231235959Z"), &general(bad))), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), cut in 0_usize..100) {
            let _ = of(&bytes);
            let whole = certificate(&[], &element(UTC_TIME, b"491231235959Z"), &element(UTC_TIME, &bytes));
            prop_assert_eq!(of(&whole[..cut.min(whole.len() - 1)]), None);
        }
    }
}
