//! What is read: a file, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use strongroom::envelope::MAX_COMPACT;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The longest text or body, in bytes.
pub(crate) const MAX_CONTENT: usize = 64 * 1024 * 1024;

/// The longest key, receipt, proof, policy or other small document, in bytes.
pub(crate) const MAX_DOCUMENT: usize = 1024 * 1024;

/// The longest secret, in bytes.
const MAX_SECRET: usize = 16 * 1024;

/// Whether a path stands for standard input.
pub(crate) fn is_stdin(path: Option<&Path>) -> bool {
    path.is_none_or(|path| path == Path::new("-"))
}

/// Reads a file, or standard input for `-` and nothing.
pub(crate) fn bytes(path: Option<&Path>, limit: usize) -> Result<Vec<u8>, Failure> {
    // Room for most inputs at once: a buffer that grew would leave pieces of it behind.
    let mut contents = Vec::with_capacity(limit.min(MAX_COMPACT) + 1);
    fill(path, limit, &mut contents)?;
    Ok(contents)
}

/// Reads a file, or standard input for `-` and nothing, as UTF-8.
pub(crate) fn text(path: Option<&Path>, limit: usize) -> Result<String, Failure> {
    let contents = bytes(path, limit)?;
    let not_text = |_| Failure::unusable(format!("{}: not UTF-8", name(path)));
    String::from_utf8(contents).map_err(not_text)
}

/// Reads a secret, without the line feed that editors put behind it; wiped when dropped.
pub(crate) fn secret(path: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    // Full size from the start: a buffer that grew would leave the secret behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(MAX_SECRET + 1));
    fill(path, MAX_SECRET, &mut contents)?;
    let not_text = |_| Failure::unusable(format!("{}: not UTF-8", name(path)));
    let text = std::str::from_utf8(&contents).map_err(not_text)?;
    Ok(Zeroizing::new(text.trim_ascii_end().to_owned()))
}

/// How a message calls the input.
pub(crate) fn name(path: Option<&Path>) -> String {
    match path {
        Some(path) if !is_stdin(Some(path)) => path.display().to_string(),
        _ => "standard input".to_owned(),
    }
}

fn fill(path: Option<&Path>, limit: usize, contents: &mut Vec<u8>) -> Result<(), Failure> {
    let broken = |error: io::Error| Failure::unusable(format!("{}: {error}", name(path)));
    let source: Box<dyn Read> = match path {
        Some(path) if !is_stdin(Some(path)) => Box::new(File::open(path).map_err(broken)?),
        _ => Box::new(io::stdin()),
    };
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    source.take(most).read_to_end(contents).map_err(broken)?;
    if contents.len() > limit {
        return Err(Failure::unusable(format!(
            "{}: longer than {limit} bytes",
            name(path)
        )));
    }
    Ok(())
}
