//! How much memory a long stream takes: the growth of a process of its own.

use std::env;
use std::error::Error;
use std::fs;
use std::process::Command;

use super::long::{LongPlaintext, Nowhere};
use super::ours::Ours;

/// How long the stream is, in bytes: enough for whatever grows with it to be seen.
const LENGTH: u64 = 256 << 20;

/// Seals the stream in a new process, whose allocator has kept nothing, and gives the bytes by
/// which its peak is over what it held before.
pub fn of_a_new_process() -> Result<u64, Box<dyn Error>> {
    let output = Command::new(env::current_exe()?)
        .arg("--stream-memory")
        .output()?;
    if !output.status.success() {
        return Err("the stream was not sealed in a process of its own".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The same in this process.
pub fn of_this_process() -> Result<u64, Box<dyn Error>> {
    let ours = Ours::new()?;
    // What is set up once for a process belongs to no stream.
    ours.stream_seal(LongPlaintext::new(1), Nowhere)
        .ok_or("a short stream was not sealed")?;
    let plaintext = LongPlaintext::new(LENGTH);
    // Linux: the peak counts from now on.
    fs::write("/proc/self/clear_refs", "5")?;
    let before = status("VmRSS:")?;
    ours.stream_seal(plaintext, Nowhere)
        .ok_or("a long stream was not sealed")?;
    Ok(status("VmHWM:")?.saturating_sub(before))
}

/// A line of this process's status, in bytes.
pub(crate) fn status(name: &str) -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .ok_or("the system does not tell a process's memory")?
        .parse()?;
    Ok(kibibytes * 1024)
}
