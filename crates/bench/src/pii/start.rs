//! How long a process takes to its first result, and what it holds by then.

use std::env;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use strongroom_pii::scan;

use crate::case::median;
use crate::envelope::memory::status;

/// Processes that are begun, one after the other.
const PROCESSES: usize = 25;

const TEXT: &str = "please send the invoice for 4111 1111 1111 1111 to ann@example.com today";

/// What was seen of them.
pub struct Begun {
    /// The median time from before a process is begun until its result is read, by the wall clock.
    pub microseconds: u64,
    /// The median of the most memory that was resident.
    pub resident: u64,
}

/// Begins this program anew, scans one short text in each.
pub fn of_new_processes() -> Result<Begun, Box<dyn Error>> {
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..PROCESSES {
        let begun = Instant::now();
        let mut child = Command::new(env::current_exe()?)
            .arg("--first-result")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("a process without an output")?;
        let mut lines = BufReader::new(stdout).lines();
        let found = lines.next().ok_or("a process gave no result")??;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        if found != "2" {
            return Err("a process did not find what is there".into());
        }
        let resident: u64 = lines.next().ok_or("a process gave no size")??.parse()?;
        sizes.push(resident as f64);
        child.wait()?;
    }
    Ok(Begun {
        microseconds: median(times).round() as u64,
        resident: median(sizes) as u64,
    })
}

/// Prints how much is found, and then the most memory that was resident, in bytes.
pub fn of_this_process() -> Result<(), Box<dyn Error>> {
    println!("{}", scan(TEXT).len());
    println!("{}", status("VmHWM:")?);
    Ok(())
}
