//! Keys that hold, byte for byte, everything that tells one thing from another: where two were taken for one, somebody would
//! get another's answer.

/// Most keys are no longer.
const BYTES_TYPICAL: usize = 512;

/// A key under construction: every part with its length, so that no two things have one key.
pub(crate) struct Key(Vec<u8>);

impl Key {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(BYTES_TYPICAL))
    }

    /// Begins another, in the same memory.
    pub(crate) fn clear(&mut self) -> &mut Self {
        self.0.clear();
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn finish(self) -> Box<[u8]> {
        self.0.into_boxed_slice()
    }

    pub(crate) fn number(&mut self, number: u32) -> &mut Self {
        self.fixed(number.to_le_bytes())
    }

    /// A part that always has this length.
    pub(crate) fn fixed<const N: usize>(&mut self, bytes: [u8; N]) -> &mut Self {
        self.0.extend_from_slice(&bytes);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        // No text here has 4 GiB.
        self.number(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn texts(&mut self, texts: &[String]) -> &mut Self {
        self.number(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        texts.iter().fold(self, |key, text| key.text(text))
    }

    /// A part that may be missing; `write` adds it.
    pub(crate) fn optional<T>(&mut self, part: Option<T>, write: impl FnOnce(&mut Self, T) -> &mut Self) -> &mut Self {
        match part {
            None => self.fixed([0]),
            Some(part) => write(self.fixed([1]), part),
        }
    }
}
