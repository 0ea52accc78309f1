//! A table's first row, whose names say what stands below them.

use super::byte::{self, NO_NAME};
use super::lexicon::Lexicon;
use super::window::Window;
use crate::secrets::assigned;

/// The names of a table's columns.
#[derive(Debug)]
pub(crate) struct Header {
    names: Vec<String>,
    separator: char,
    /// Whether one of them names a secret.
    pub(super) has_secrets: bool,
    /// Whether rows are in parentheses, as in SQL.
    of_values: bool,
    /// Where the row ends.
    end: usize,
    /// Whether a value is in it, so that there is no row of names once the value is redacted: what it names
    /// is still found, and it speaks against nothing.
    has_value: bool,
}

/// The rows of names of a text.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    last: Option<Header>,
    /// The one before it, below which not everything is decided yet.
    before: Option<Header>,
}

impl Headers {
    pub(super) fn set(&mut self, header: Header) {
        let is_again = |last: &Header| last.end == header.end;
        if !self.last.as_ref().is_some_and(is_again) {
            self.before = self.last.take();
        }
        self.last = Some(header);
    }

    /// The row below which an offset stands.
    pub(super) fn above(&self, offset: usize) -> Option<&Header> {
        let rows = [self.last.as_ref(), self.before.as_ref()];
        rows.into_iter().flatten().find(|row| row.end < offset)
    }

    /// Notes that a value was taken that starts at an offset. SQL's names are read again.
    pub(super) fn note_value(&mut self, start: usize) {
        match &mut self.last {
            Some(last) if start < last.end && last.of_values => self.last = self.before.take(),
            Some(last) if start < last.end => last.has_value = true,
            _ => {}
        }
    }

    /// Moves them when the first bytes of the text are taken away.
    pub(super) fn shift(&mut self, bytes: usize) {
        for row in [&mut self.last, &mut self.before].into_iter().flatten() {
            row.end = row.end.saturating_sub(bytes);
        }
    }
}

/// Whether a text ends with the parenthesis that opens a row: behind `VALUES`, or another row.
fn is_tuple(before: &[u8]) -> bool {
    let before = before.strip_suffix(b"(").map(<[u8]>::trim_ascii_end);
    before.is_some_and(|before| matches!(before.last(), Some(b',' | b'S' | b's')))
}

/// How long a first row may be, in bytes.
const MAX: usize = 512;
/// How far back from a value its row is read, in bytes.
const ROW_MAX: usize = 1024;

impl Header {
    /// Reads the first line: `None` while it goes on, `Some(None)` when it is no row of names, which has no
    /// label either.
    #[expect(clippy::option_option, reason = "not known yet, known to be none")]
    pub(crate) fn of(text: &str) -> Option<Option<Self>> {
        let head = text.as_bytes().get(..MAX).unwrap_or(text.as_bytes());
        let end = byte::find(head, 0, NO_NAME);
        if end == head.len() {
            return (text.len() >= MAX).then_some(None);
        }
        if head.get(end) != Some(&b'\n') {
            return Some(None);
        }
        let line = text.get(..end).unwrap_or_default().trim_end_matches('\r');
        let separators = [',', ';', '\t', '|'];
        let Some(separator) = separators
            .into_iter()
            .find(|separator| line.contains(*separator))
        else {
            return Some(None);
        };
        let names: Vec<String> = line
            .split(separator)
            .map(|name| name.trim().trim_matches('"').to_owned())
            .collect();
        let is_name = |name: &String| {
            (1..=40).contains(&name.len())
                && name.split([' ', '_', '-']).count() <= 4
                && name.starts_with(char::is_alphanumeric)
                && !name.ends_with('.')
        };
        // A year or a form's number may be a name; a row of numbers has none.
        let words = names
            .iter()
            .filter(|name| name.starts_with(char::is_alphabetic))
            .count();
        let row = names.len() >= 2
            && names.iter().all(is_name)
            && words * 3 >= names.len() * 2
            && !line.contains(", ");
        Some(row.then_some(Self {
            names,
            separator,
            of_values: false,
            has_secrets: false,
            has_value: false,
            end,
        }))
    }

    /// Reads the names before the keyword of SQL's `insert into t (a, b) values (1, 2)`.
    pub(crate) fn of_values(text: &str, at: usize) -> Option<Self> {
        if !text.get(at..at + 6)?.eq_ignore_ascii_case("values") {
            return None;
        }
        let floor = at.saturating_sub(MAX);
        let before = text.as_bytes().get(floor..at)?;
        let close = before.iter().rposition(|b| *b != b' ' && *b != b'\n')?;
        if before.get(close) != Some(&b')') {
            return None;
        }
        let open = before
            .get(..close)?
            .iter()
            .rposition(|b| matches!(b, b'(' | b')'))?;
        let list = text.get(floor + open + 1..floor + close)?;
        let names: Vec<String> = list
            .split(',')
            .map(|name| name.trim().trim_matches(['"', '`']).to_owned())
            .collect();
        let are_names = names.iter().all(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        are_names.then_some(Self {
            names,
            separator: ',',
            has_secrets: false,
            has_value: false,
            of_values: true,
            end: at,
        })
    }

    /// The same, with what the names say.
    pub(super) fn with_secrets(mut self, lexicon: &Lexicon) -> Self {
        self.has_secrets = self
            .names
            .iter()
            .any(|name| assigned::names_a_secret(lexicon, name));
        self
    }

    /// Where the field ends that begins at an offset.
    pub(crate) fn field_end(&self, window: &Window<'_>, start: usize) -> usize {
        window.run_while(start, |b| {
            !matches!(b, b'\n' | b'\r') && char::from(b) != self.separator
        })
    }

    /// Whether a field begins at an offset.
    pub(crate) fn begins_field(&self, window: &Window<'_>, start: usize) -> bool {
        window.before(start) == b'\n' || char::from(window.before(start)) == self.separator
    }

    /// Whether it speaks against what it does not name.
    pub(super) const fn is_whole(&self) -> bool {
        !self.has_value
    }

    /// The name of the column in which an offset of the text stands.
    pub(crate) fn column(&self, text: &str, offset: usize) -> Option<&str> {
        if offset <= self.end {
            return None;
        }
        let floor = offset.saturating_sub(ROW_MAX);
        let before = text.as_bytes().get(floor..offset)?;
        let begins = |b: &u8| *b == b'\n' || self.of_values && *b == b'(';
        let start = before.iter().rposition(begins).map_or(0, |at| at + 1);
        if self.of_values && !is_tuple(before.get(..start)?) {
            return None;
        }
        let (mut column, mut quoted, mut first) = (0, None, true);
        for b in before.get(start..)? {
            let begins = std::mem::take(&mut first);
            match *b {
                b if quoted == Some(b) => quoted = None,
                // An apostrophe within a word quotes nothing.
                b'"' | b'\'' if begins && quoted.is_none() => quoted = Some(*b),
                b' ' => first = begins,
                b if char::from(b) == self.separator && quoted.is_none() => {
                    column += 1;
                    first = true;
                }
                _ => {}
            }
        }
        self.names.get(column).map(String::as_str)
    }
}
