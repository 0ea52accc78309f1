//! How many cores work on a long record.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use clap::Args;

/// Each has up to 1 MiB of buffers, so that a number typed in haste does not take all memory.
const MOST: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// The threads that seal or open chunks.
#[derive(Args, Clone, Copy)]
pub(crate) struct Threads {
    /// Work on so many threads; `auto`, or 0, is one for each core
    #[arg(long = "threads", value_name = "N", default_value = "1", value_parser = number)]
    number: NonZeroUsize,
}

impl Threads {
    /// A core seals and opens faster than most disks read and write.
    pub(super) const ONE: Self = Self {
        number: NonZeroUsize::MIN,
    };

    pub(crate) const fn number(self) -> NonZeroUsize {
        self.number
    }
}

pub(crate) fn number(text: &str) -> Result<NonZeroUsize, String> {
    let number = match text {
        "auto" => Some(0),
        text => text.parse().ok().filter(|number| *number <= MOST.get()),
    };
    let number = number.ok_or_else(|| format!("expected `auto` or 0 to {MOST}"))?;
    // A system that does not tell how many cores it has is taken to have one.
    let all = || available_parallelism().map_or(NonZeroUsize::MIN, |all| all.min(MOST));
    Ok(NonZeroUsize::new(number).unwrap_or_else(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, threads) in [("1", 1), ("2", 2), ("256", 256)] {
            assert_eq!(number(text).unwrap().get(), threads);
        }
        let all = available_parallelism().unwrap();
        for text in ["0", "auto"] {
            assert_eq!(number(text).unwrap(), all.min(MOST));
        }
        for text in ["", "-1", "257", "all", "1.5", "99999999999999999999"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
