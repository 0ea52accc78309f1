//! Logs: JSON lines on standard error, each with its request's id.

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
        .with_writer(std::io::stderr)
        .try_init()
        .map_err(|error| format!("log: {error}"))
}
