//! One comparison, and how it is measured.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

/// Measured rounds of each side; the median is taken. Many short ones: what disturbs one side for
/// a while then disturbs the other too.
const ROUNDS: usize = 25;

/// Rounds of each side that are run before and not counted.
const WARM_UP: usize = 3;

/// Work that takes longer than this, in nanoseconds, is done less often: itself it spans what
/// disturbs it.
const LONG: f64 = 1e8;

/// Measured rounds of long work, and those before them.
const LONG_ROUNDS: usize = 9;
const LONG_WARM_UP: usize = 1;

/// How long a round lasts at least, in nanoseconds of CPU time.
const ROUND_NANOSECONDS: f64 = 5e6;

/// A side of a comparison.
pub struct Side(Box<dyn FnMut(u32) -> f64>);

/// The same work by ours and by a peer.
pub struct Case {
    /// What is done, such as `verify 1 KiB`.
    pub name: String,
    /// The peer and its version.
    pub peer_name: &'static str,
    /// What the work must reach, where something was promised.
    pub goal: Option<Goal>,
    /// How many bytes of plaintext one piece of work treats, where a rate says something.
    pub bytes: Option<u64>,
    /// Ours.
    pub ours: Side,
    /// The peer's.
    pub peer: Side,
}

/// Ratios to reach; over 1, ours is faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// What must hold.
    pub ratio: f64,
    /// What we would like.
    pub stretch: Option<f64>,
}

/// What was measured, in nanoseconds for one piece of work.
pub struct Measured {
    /// Ours.
    pub ours: f64,
    /// The peer's.
    pub peer: f64,
}

impl Goal {
    /// A goal without a stretch goal.
    pub const fn of(ratio: f64) -> Self {
        Self {
            ratio,
            stretch: None,
        }
    }

    /// The goal with a stretch goal.
    pub const fn stretch(self, stretch: f64) -> Self {
        Self {
            ratio: self.ratio,
            stretch: Some(stretch),
        }
    }

    /// `stretch`, `met` or `missed`.
    pub fn verdict(self, ratio: f64) -> &'static str {
        if self.stretch.is_some_and(|stretch| ratio >= stretch) {
            "stretch"
        } else if ratio >= self.ratio {
            "met"
        } else {
            "missed"
        }
    }
}

impl Side {
    /// Work that needs nothing made anew for each piece; the drop of what it gives is counted.
    pub fn new<R>(mut work: impl FnMut() -> R + 'static) -> Self {
        Self(Box::new(move |count| {
            let begun = cpu_nanoseconds();
            for _ in 0..count {
                black_box(work());
            }
            cpu_nanoseconds() - begun
        }))
    }

    /// Work on something that is made anew for each piece; neither the making nor the drop of
    /// what the work gives is counted. For work that is long beside a look at the clock.
    pub fn prepared<T, R>(
        mut prepare: impl FnMut() -> T + 'static,
        mut work: impl FnMut(T) -> R + 'static,
    ) -> Self {
        Self(Box::new(move |count| {
            let mut spent = 0.0;
            for _ in 0..count {
                let prepared = black_box(prepare());
                let begun = cpu_nanoseconds();
                let result = black_box(work(prepared));
                spent += cpu_nanoseconds() - begun;
                drop(result);
            }
            spent
        }))
    }

    /// A bound in the place of a peer: each piece takes so many nanoseconds.
    pub fn constant(nanoseconds: f64) -> Self {
        Self(Box::new(move |count| nanoseconds * f64::from(count)))
    }

    /// Nanoseconds of this thread's CPU time for one piece of work.
    fn round(&mut self, count: u32) -> f64 {
        (self.0)(count) / f64::from(count)
    }

    /// How often the work must be done to fill a round, and how long that takes.
    fn repeats(&mut self) -> (u32, f64) {
        // The first piece may set up what the others find.
        self.round(1);
        let mut count = 1;
        loop {
            let round = self.round(count) * f64::from(count);
            if round >= ROUND_NANOSECONDS || count >= u32::MAX / 2 {
                return (count, round);
            }
            count *= 2;
        }
    }
}

impl Case {
    /// Runs both sides in turn, changing who is first, so that heat and neighbours meet both.
    pub fn measure(&mut self) -> Measured {
        let sides = [&mut self.ours, &mut self.peer];
        let [ours, peer] = medians(sides);
        Measured { ours, peer }
    }
}

impl Measured {
    /// Over 1: ours is faster.
    pub fn ratio(&self) -> f64 {
        self.peer / self.ours
    }
}

/// Runs sides in turn, every other time in the opposite order, and gives each one's median time
/// for a piece of work, in nanoseconds.
pub fn medians<const N: usize>(mut sides: [&mut Side; N]) -> [f64; N] {
    let mut runs = [(); N].map(|()| (0, Vec::new()));
    let mut longest = 0.0_f64;
    for (side, (count, _)) in sides.iter_mut().zip(&mut runs) {
        let round;
        (*count, round) = side.repeats();
        longest = longest.max(round);
    }
    let (warm_up, rounds) = if longest > LONG {
        (LONG_WARM_UP, LONG_ROUNDS)
    } else {
        (WARM_UP, ROUNDS)
    };
    for number in 0..warm_up + rounds {
        let mut once = |(side, (count, times)): (&mut &mut Side, &mut (u32, Vec<f64>))| {
            let time = side.round(*count);
            times.extend((number >= warm_up).then_some(time));
        };
        let pairs = sides.iter_mut().zip(&mut runs);
        if number % 2 == 0 {
            pairs.for_each(&mut once);
        } else {
            pairs.rev().for_each(&mut once);
        }
    }
    runs.map(|(_, times)| median(times))
}

fn cpu_nanoseconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The middle one.
pub fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(steps: u64) {
        black_box((0..steps).fold(0, |sum: u64, n| black_box(sum ^ n)));
    }

    #[test]
    fn less_work_is_measured_as_faster() {
        let mut case = Case {
            name: "planted".to_owned(),
            peer_name: "more of the same",
            goal: Some(Goal::of(1.0)),
            bytes: None,
            ours: Side::new(|| spin(1_000)),
            peer: Side::new(|| spin(4_000)),
        };
        let ratio = case.measure().ratio();
        assert!((2.0..8.0).contains(&ratio), "{ratio}");
    }

    #[test]
    fn what_is_prepared_is_not_counted() {
        let mut long = Side::prepared(|| spin(200_000), |()| spin(50_000));
        let mut short = Side::new(|| spin(50_000));
        let [long, short] = medians([&mut long, &mut short]);
        assert!((0.5..2.0).contains(&(long / short)), "{long} {short}");
    }

    #[test]
    fn verdicts() {
        let goal = Goal::of(0.8).stretch(1.25);
        assert_eq!(goal.verdict(0.79), "missed");
        assert_eq!(goal.verdict(0.8), "met");
        assert_eq!(goal.verdict(1.25), "stretch");
        assert_eq!(Goal::of(0.8).verdict(9.0), "met");
        assert_eq!(goal.verdict(f64::NAN), "missed");
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
