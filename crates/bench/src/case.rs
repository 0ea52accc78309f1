//! One comparison, and how it is measured.

use rustix::time::{ClockId, clock_gettime};

/// Measured rounds of each side; the median is taken.
const ROUNDS: usize = 9;

/// Rounds of each side that are run before and not counted.
const WARM_UP: usize = 3;

/// How long a round lasts at least, in nanoseconds of CPU time.
const ROUND_NANOSECONDS: f64 = 20e6;

/// A side of a comparison: does the work once.
pub(crate) type Side = Box<dyn FnMut()>;

/// The same work by ours and by a peer.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) peer_name: &'static str,
    /// The ratio that we want to reach.
    pub(crate) goal: f64,
    pub(crate) ours: Side,
    pub(crate) peer: Side,
}

/// What was measured, in nanoseconds for one piece of work.
pub(crate) struct Measured {
    pub(crate) case: String,
    pub(crate) peer_name: &'static str,
    pub(crate) goal: f64,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
}

impl Case {
    /// Runs both sides in turn, changing who is first, so that heat and neighbours meet both.
    pub(crate) fn measure(&mut self) -> Measured {
        let (ours_count, peer_count) = (repeats(&mut self.ours), repeats(&mut self.peer));
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for number in 0..WARM_UP + ROUNDS {
            let is_counted = number >= WARM_UP;
            for turn in 0..2 {
                if (turn + number) % 2 == 0 {
                    let time = round(&mut self.ours, ours_count);
                    ours.extend(is_counted.then_some(time));
                } else {
                    let time = round(&mut self.peer, peer_count);
                    peer.extend(is_counted.then_some(time));
                }
            }
        }
        Measured {
            case: self.name.clone(),
            peer_name: self.peer_name,
            goal: self.goal,
            ours: median(ours),
            peer: median(peer),
        }
    }
}

impl Measured {
    /// Over 1: ours is faster.
    pub(crate) fn ratio(&self) -> f64 {
        self.peer / self.ours
    }
}

/// How often the work must be done to fill a round.
fn repeats(side: &mut Side) -> u32 {
    let mut count = 1;
    while round(side, count) * f64::from(count) < ROUND_NANOSECONDS && count < u32::MAX / 2 {
        count *= 2;
    }
    count
}

/// Nanoseconds of this thread's CPU time for one piece of work.
fn round(side: &mut Side, count: u32) -> f64 {
    let begun = cpu_nanoseconds();
    for _ in 0..count {
        side();
    }
    (cpu_nanoseconds() - begun) / f64::from(count)
}

fn cpu_nanoseconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    fn work(steps: u64) -> Side {
        Box::new(move || {
            black_box((0..steps).fold(0, |sum: u64, n| black_box(sum ^ n)));
        })
    }

    #[test]
    fn less_work_is_measured_as_faster() {
        let mut case = Case {
            name: "planted".to_owned(),
            peer_name: "more of the same",
            goal: 1.0,
            ours: work(1_000),
            peer: work(4_000),
        };
        let ratio = case.measure().ratio();
        assert!((2.0..8.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
