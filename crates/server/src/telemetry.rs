//! Logs: JSON lines on standard error, each with its request's id.
//!
//! No line has content of a request in it. Should one ever have (an error that repeats what it was
//! given, of ours or of a library), it goes through the strict policy of channel `log` like every
//! other: an e-mail address is `[EMAIL]` there.

use std::io::{self, Write};

use strongroom_pii::{Channel, Policy, Redactor};
use strongroom_tenancy::TenantId;
use tracing_subscriber::EnvFilter;

/// Starts logging.
///
/// # Errors
/// When the filter is malformed, or logging was started before.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log: {error}"))?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(|| Lines(io::stderr()))
        .try_init()
        .map_err(|error| format!("log: {error}"))
}

/// Redacts what is written, a whole line at a time, as the formatter writes it.
struct Lines<W>(W);

/// What stands for a line that could not be redacted.
const UNREADABLE: &str = r#"{"level":"ERROR","message":"a log line could not be redacted"}"#;

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut redacted = redacted(&String::from_utf8_lossy(line));
        redacted.push('\n');
        self.0.write_all(redacted.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn redacted(line: &str) -> String {
    let policy = Policy::strict();
    let mut redactor = Redactor::new(&policy, &TenantId::PLATFORM, Channel::Log);
    let json = redactor.redact_json(line.trim_end());
    json.map_or_else(|_| UNREADABLE.to_owned(), |redaction| redaction.text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_redacted_whatever_is_in_it() {
        let mut lines = Lines(Vec::new());
        let line = "{\"timestamp\":\"2026-11-22T02:16:52.123456Z\",\"level\":\"WARN\",\"error\":\
             \"no such user: john\\u0040example.com\",\"ssn\":536904399,\"span\":{\"tenant\":\
             \"0190b2a4-8c7e-7d3a-9f00-0242ac120002\",\"elapsed_ms\":1234567}}\n";
        assert_eq!(lines.write(line.as_bytes()).unwrap(), line.len());
        lines
            .write_all(b"no line of ours: john@example.com\n")
            .unwrap();
        let written = String::from_utf8(lines.0).unwrap();
        let expected = "{\"timestamp\":\"2026-11-22T02:16:52.123456Z\",\"level\":\"WARN\",\"error\":\
             \"no such user: [EMAIL]\",\"ssn\":\"[US_SSN]\",\"span\":{\"tenant\":\
             \"0190b2a4-8c7e-7d3a-9f00-0242ac120002\",\"elapsed_ms\":1234567}}\n";
        assert_eq!(written, format!("{expected}{UNREADABLE}\n"));
    }
}
