//! How far a long file has come, for somebody who watches.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use crate::output::Output;

/// What takes less is over before it can be read.
const QUIET: Duration = Duration::from_millis(500);

const EVERY: Duration = Duration::from_millis(200);

/// A line on standard error that is written over and over, and is gone in the end; or none, when
/// nobody watches.
pub(crate) struct Progress {
    is_watched: bool,
    total: Option<u64>,
    done: u64,
    started: Instant,
    shown: Option<Instant>,
}

impl Progress {
    /// Begins; `total` is in bytes, where it is known.
    pub(crate) fn new(total: Option<u64>, is_watched: bool) -> Self {
        Self {
            is_watched,
            total,
            done: 0,
            started: Instant::now(),
            shown: None,
        }
    }

    /// Makes room for what stays on the terminal; it is shown again when more is done.
    pub(crate) fn hide(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// So many bytes more are done.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if !self.is_watched {
            return;
        }
        let now = Instant::now();
        let since = now - self.shown.unwrap_or(self.started);
        if since >= self.shown.map_or(QUIET, |_| EVERY) {
            self.shown = Some(now);
            let line = line(self.done, self.total, now - self.started);
            // Nobody is told of progress that cannot be shown.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}

/// Whether somebody watches standard error, and the output is not for a program.
pub(crate) fn is_watched(output: Output) -> bool {
    output == Output::Text && io::stderr().is_terminal()
}

fn line(done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let rate = size(done.saturating_mul(1000) / millis.max(1));
    match total {
        // A file that grows while it is read has more than its size.
        Some(total) if total >= done && total > 0 => {
            let percent = u128::from(done) * 100 / u128::from(total);
            format!("{} of {}, {percent} %, {rate}/s", size(done), size(total))
        }
        _ => format!("{}, {rate}/s", size(done)),
    }
}

/// A number of bytes, to three or four digits.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "B";
    for next in units {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    if unit == "B" || tenths >= 1000 {
        format!("{} {unit}", tenths / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (100 * 1024, "100 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn lines() {
        let second = Duration::from_secs(1);
        assert_eq!(line(5 << 20, None, second), "5.0 MiB, 5.0 MiB/s");
        assert_eq!(
            line(5 << 20, Some(20 << 20), 2 * second),
            "5.0 MiB of 20.0 MiB, 25 %, 2.5 MiB/s"
        );
        let grown = line(21 << 20, Some(20 << 20), second);
        assert_eq!(grown, "21.0 MiB, 21.0 MiB/s");
        assert_eq!(line(0, Some(0), Duration::ZERO), "0 B, 0 B/s");
        assert!(line(u64::MAX, Some(u64::MAX), second).contains("100 %"));
    }

    #[test]
    fn nobody_watches() {
        let mut progress = Progress::new(Some(10), false);
        progress.started = Instant::now().checked_sub(2 * QUIET).unwrap();
        progress.add(7);
        assert_eq!((progress.done, progress.shown), (7, None));
    }
}
