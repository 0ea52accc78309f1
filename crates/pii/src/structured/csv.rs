//! Comma-separated values (RFC 4180), and the same with tabs, semicolons or bars.

use super::{StructureError, Writer, line_of};
use crate::{Redaction, Redactor};

impl Redactor<'_> {
    /// Redacts a table, whose first row names the columns: each field with its column's name beside
    /// it. Fields in quotation marks may hold separators, line ends and doubled quotation marks.
    ///
    /// # Errors
    /// [`StructureError`]: a quotation mark is not closed, or a value is refused. The text must
    /// then go nowhere.
    ///
    /// ```
    /// use strongroom_pii::{Channel, Policy, Redactor};
    /// use strongroom_tenancy::TenantId;
    ///
    /// let policy = Policy::strict();
    /// let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Export);
    /// let redaction = redactor.redact_csv("name,ssn\nAnn,123456789\n", b',')?;
    /// assert_eq!(redaction.text, "name,ssn\nAnn,[US_SSN]\n");
    /// # Ok::<(), strongroom_pii::StructureError>(())
    /// ```
    pub fn redact_csv(&mut self, text: &str, separator: u8) -> Result<Redaction, StructureError> {
        let mut writer = Writer::new(self, text);
        let mut names: Vec<String> = Vec::new();
        let (mut row, mut column, mut at) = (0_usize, 0_usize, 0_usize);
        let bytes = text.as_bytes();
        while at < bytes.len() {
            let start = at;
            let quoted = bytes.get(at) == Some(&b'"');
            if quoted {
                at = closing(bytes, at).ok_or_else(|| StructureError::Malformed {
                    format: "csv",
                    line: line_of(text, start),
                    reason: "a quotation mark is not closed",
                })?;
            }
            let ends = |b: &u8| *b == separator || *b == b'\n' || *b == b'\r';
            at += bytes
                .get(at..)
                .unwrap_or_default()
                .iter()
                .take_while(|b| !ends(b))
                .count();
            let field = text.get(start..at).unwrap_or_default();
            let inside = field
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .filter(|_| quoted);
            let value =
                inside.map_or_else(|| field.to_owned(), |inside| inside.replace("\"\"", "\""));
            if row == 0 {
                names.push(value.trim().to_owned());
            }
            let name = if row == 0 {
                ""
            } else {
                names.get(column).map_or("", String::as_str)
            };
            let place = |offset: usize| match inside {
                None => start + offset,
                Some(inside) => start + 1 + doubled(inside, offset),
            };
            writer.value(name, start..at, &value, &place, &|new, out| {
                write_field(new, separator, inside.is_some(), out)
            })?;
            match bytes.get(at) {
                Some(b) if *b == separator => {
                    column += 1;
                    at += 1;
                }
                Some(_) => {
                    at += 1 + usize::from(
                        bytes.get(at) == Some(&b'\r') && bytes.get(at + 1) == Some(&b'\n'),
                    );
                    row += 1;
                    column = 0;
                }
                None => {}
            }
        }
        Ok(writer.finish())
    }
}

/// Where a field in quotation marks ends, behind its last one.
fn closing(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Where an offset of a value stands in its field, in which quotation marks are doubled.
fn doubled(inside: &str, offset: usize) -> usize {
    let (mut at, mut left) = (0, offset);
    let bytes = inside.as_bytes();
    while left > 0 {
        at += if bytes.get(at) == Some(&b'"') { 2 } else { 1 };
        left -= 1;
    }
    at
}

fn write_field(value: &str, separator: u8, quoted: bool, out: &mut String) {
    let needs = value
        .bytes()
        .any(|b| b == separator || matches!(b, b'"' | b'\n' | b'\r'));
    if quoted || needs {
        out.push('"');
        out.push_str(&value.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(value);
    }
}
