//! Writes an object member by member, in words of its caller's own: a serialiser that knows nothing of its values
//! looks at each byte of every name and text by itself.

use super::plain;

/// The members of an object, as they are written: each name with what stands around it, and needing no escapes.
pub(crate) struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    /// Onto `out`.
    pub fn of(out: &mut Vec<u8>) -> Writer<'_> {
        Writer(out)
    }

    /// A name whose value the caller writes.
    pub fn name(&mut self, name: &str) {
        self.0.extend_from_slice(name.as_bytes());
    }

    /// A value that is JSON.
    pub fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, number: impl itoa::Integer) {
        self.raw(name, itoa::Buffer::new().format(number).as_bytes());
    }

    /// A whole number, if there is one.
    pub fn some_number(&mut self, name: &str, number: Option<impl itoa::Integer>) {
        if let Some(number) = number {
            self.number(name, number);
        }
    }

    /// A text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        if !plain::is_plain(text) {
            // Writing a text into memory cannot fail.
            let _ = serde_json::to_writer(&mut *self.0, text);
            return;
        }
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    /// A text, if there is one.
    pub fn some_text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }
}
