//! Which candidates are taken: the words around are weighed, overlaps are resolved.

use std::cell::Cell;
use std::cmp::Ordering;

use super::byte::{self, ALNUM};
use super::candidate::{Candidate, ClassIndex, Tail, Tier};
use super::context::Words;
use super::progress::Region;
use super::tail::tail;
use super::window::Window;
use super::{CLUSTER, Engine, Floors, Progress, Taken};
use crate::class::Kind;
use crate::detection::Evidence;
use crate::secrets::vendor;

/// What it adds that the value was found before, in tenths of log-odds.
const REPEATED: i16 = 30;
/// From which log-odds on a value that was named is known again: of one that was doubtful all the others
/// would be as doubtful.
const TELLING: i16 = 10;
/// From which log-odds on the words after a span are not asked.
const SURE: i16 = 20;

impl Engine {
    /// Decides the candidates that nothing can overlap any more, up to the first spans that are taken.
    pub(super) fn settle(
        &self,
        text: &str,
        open: bool,
        reach: usize,
        floors: &Floors,
        progress: &mut Progress,
    ) {
        progress.pending.sort_by_key(|candidate| candidate.start);
        while let Some(first) = progress.pending.first() {
            let horizon = first.start + CLUSTER;
            let (mut end, mut count) = (first.end, 0);
            for candidate in &progress.pending {
                if count > 0 && candidate.start >= end.min(horizon) {
                    break;
                }
                end = end.max(candidate.end);
                count += 1;
            }
            if end.min(horizon) > reach {
                return;
            }
            let touched = Cell::new(false);
            let more = open.then_some(&touched);
            let weighed = self.weigh(text, more, floors, count, progress);
            if touched.get() {
                return;
            }
            if weighed.is_empty() {
                progress.pending.drain(..count);
                continue;
            }
            let known = progress.held.len();
            resolve(weighed, text, open, progress);
            if progress.held.len() > known {
                return;
            }
            progress.pending.drain(..count);
        }
    }

    /// Weighs the words around the first candidates; drops those below their floor.
    fn weigh(
        &self,
        text: &str,
        more: Option<&Cell<bool>>,
        floors: &Floors,
        count: usize,
        progress: &mut Progress,
    ) -> Vec<(Candidate, Taken)> {
        let mut weighed = Vec::new();
        progress.words_at = None;
        let mut after = Words::default();
        let mut after_at = None;
        for index in 0..count {
            let Some(candidate) = progress.pending.get(index) else {
                break;
            };
            let (mut tenths, mut evidence) = (candidate.base, candidate.evidence);
            if candidate.weighed {
                if progress.words_at != Some(candidate.start) {
                    progress
                        .words
                        .before(&self.lexicon, text, candidate.start, &progress.closed);
                    if !progress.name.is_empty() {
                        progress.words.add_name(&self.lexicon, &progress.name);
                    }
                    if let Some(header) = progress.headers.above(candidate.start)
                        && let Some(name) = header.column(text, candidate.start)
                    {
                        let is_whole = header.is_whole();
                        progress.words.add_key(&self.lexicon, name, is_whole);
                    }
                    progress.words_at = Some(candidate.start);
                }
                let before = progress.words.weigh_before(&self.lexicon, candidate.class);
                // What is certain stays so, whatever stands beside it.
                tenths = tenths.saturating_add(before.tenths);
                evidence = evidence.with_all(before.evidence);
                let shared = is_shared(candidate.class);
                if shared
                    || tenths < SURE && (before.tenths <= 0 || tenths < floors.of(candidate.class))
                {
                    if after_at != Some(candidate.end) {
                        let window =
                            Window::new(text, candidate.end, more).with_labels(&self.labels);
                        after.after(&self.lexicon, &window, candidate.end);
                        after_at = Some(candidate.end);
                    }
                    let weight = after.weigh_after(&self.lexicon, candidate.class);
                    if shared && before.tenths > 0 {
                        tenths =
                            tenths.saturating_add(after.hint(&self.lexicon, candidate.class) / 2);
                    } else if weight.tenths > before.tenths {
                        tenths = tenths.saturating_add(weight.tenths - before.tenths.max(0));
                        evidence = evidence.with_all(weight.evidence);
                    }
                }
                let floor = floors.of(candidate.class);
                if tenths < floor
                    && tenths.saturating_add(REPEATED) >= floor
                    && !progress.seen.is_empty()
                {
                    let value = text.get(candidate.start..candidate.end).unwrap_or_default();
                    if is_telling(value) && progress.seen.contains((candidate.class, digest(value)))
                    {
                        tenths = tenths.saturating_add(REPEATED);
                        evidence = evidence.with(Evidence::Repetition);
                    }
                }
            }
            if tenths >= floors.of(candidate.class) {
                weighed.push((
                    candidate.candidate.clone(),
                    Taken {
                        class: candidate.class,
                        start: candidate.start,
                        end: candidate.end,
                        tenths,
                        evidence,
                        unbounded: candidate.tail != Tail::None,
                    },
                ));
            }
        }
        weighed
    }
}

/// Whether a class has the forms and the names of others, so that only a country tells it.
fn is_shared(class: ClassIndex) -> bool {
    let kind = Kind::ALL.get(usize::from(class)).copied();
    kind.is_some_and(|kind| (Kind::UsPassport..=Kind::AuLicence).contains(&kind))
}

/// Of overlapping candidates the lower tier is taken, then the likelier, then the longer. What is more likely
/// nothing, and is there since a low threshold asks for it, gives way to all that is not; but what holds other
/// forms in itself, as web addresses do, holds them all the same.
fn resolve(mut weighed: Vec<(Candidate, Taken)>, text: &str, open: bool, progress: &mut Progress) {
    // What goes on past what is seen of it is the longest.
    let length = |taken: &Taken| match taken.unbounded {
        true => usize::MAX,
        false => taken.end - taken.start,
    };
    let is_doubtful = |(candidate, taken): &(Candidate, Taken)| {
        taken.tenths < 0 && candidate.tier != Tier::Holder
    };
    weighed.sort_by(|left, right| {
        let ((a, x), (b, y)) = (left, right);
        is_doubtful(left)
            .cmp(&is_doubtful(right))
            .then(a.tier.cmp(&b.tier))
            .then(y.tenths.cmp(&x.tenths))
            .then(if x.class == y.class {
                x.start.cmp(&y.start)
            } else {
                Ordering::Equal
            })
            .then(length(y).cmp(&length(x)))
            .then(x.start.cmp(&y.start))
            .then(x.class.cmp(&y.class))
    });
    // Of one class the longer holds the shorter, unless it alone is more likely nothing. What it held is asked
    // again where it loses itself.
    let spans: Vec<_> = weighed
        .iter()
        .map(|(_, taken)| (taken.class, taken.start, taken.end, taken.tenths < 0))
        .collect();
    weighed.retain(|(_, taken)| {
        !spans.iter().any(|(class, start, end, is_doubtful)| {
            *class == taken.class
                && *start <= taken.start
                && taken.end <= *end
                && end - start > taken.end - taken.start
                && (!is_doubtful || taken.tenths < 0)
        })
    });
    let mut new: Vec<Taken> = Vec::new();
    for (candidate, mut winner) in weighed {
        // Of two addresses that run into one another the second begins where the first ends.
        if winner.class == Kind::Email as ClassIndex {
            winner.start = after_last(text, &winner, &new);
        }
        let overlaps = |other: &Taken| winner.start < other.end && other.start < winner.end;
        let in_closed = progress
            .closed
            .iter()
            .rev()
            .take_while(|(_, e)| winner.start < *e)
            .any(|(s, _)| *s < winner.end);
        if !in_closed && !new.iter().any(overlaps) {
            let from = winner.end;
            // A window may end within a character.
            winner.start = text.floor_char_boundary(winner.start);
            winner.end = text.ceil_char_boundary(tail(text, from, candidate.tail));
            // It does not go on over what was taken before it.
            let next = new.iter().map(|other| other.start);
            if let Some(next) = next.filter(|start| *start >= from).min() {
                winner.end = winner.end.min(next);
            }
            if open && candidate.tail != Tail::None && winner.end == text.len() {
                progress.region = Some(Region {
                    tail: candidate.tail,
                    from,
                });
            }
            progress.cursor = progress.cursor.max(winner.end);
            if let Some(kind) = vendor::kind(winner.class) {
                winner.class = kind as ClassIndex;
            }
            new.push(winner);
        }
    }
    new.sort_by_key(|taken| taken.start);
    for taken in &new {
        close(&mut progress.closed, (taken.start, taken.end));
        let has = |evidence| taken.evidence.contains(evidence);
        if taken.tenths >= TELLING && (has(Evidence::Context) || has(Evidence::Key)) {
            let value = text.get(taken.start..taken.end).unwrap_or_default();
            progress.seen.push((taken.class, digest(value)));
        }
    }
    progress.held.extend(new);
}

/// Adds a span in its place, which is nearly always the last.
pub(super) fn close(closed: &mut Vec<(usize, usize)>, span: (usize, usize)) {
    let place = closed
        .iter()
        .rposition(|known| known.0 <= span.0)
        .map_or(0, |at| at + 1);
    closed.insert(place, span);
}

/// Where an address begins that starts in what was taken before it, if a local part is left.
fn after_last(text: &str, address: &Taken, taken: &[Taken]) -> usize {
    let within = |other: &&Taken| {
        other.start < address.end && address.start < other.end && other.end < address.end
    };
    let Some(end) = taken.iter().filter(within).map(|other| other.end).max() else {
        return address.start;
    };
    let rest = text.get(end..address.end).unwrap_or_default();
    let at = rest.find('@').unwrap_or(0);
    let start = rest
        .find(|c: char| c.is_alphanumeric() || c == '_')
        .filter(|start| *start < at);
    start.map_or(address.start, |start| end + start)
}

/// Whether a value does not come again by chance, as a word or a number of a few digits does.
fn is_telling(value: &str) -> bool {
    let alnum = |b: &u8| byte::is(*b, ALNUM) || !b.is_ascii();
    value.bytes().filter(alnum).nth(4).is_some()
}

/// FNV-1a over a value's letters and digits: a hint at the same value, and no more.
fn digest(value: &str) -> u64 {
    let alnum = value
        .bytes()
        .filter(|b| byte::is(*b, ALNUM) || !b.is_ascii());
    alnum.fold(0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(b.to_ascii_lowercase())).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::super::byte::TOKEN;
    use super::*;
    use crate::detection::EvidenceSet;

    /// What `resolve` leaves of candidates, each a start, an end, log-odds, a tier and what goes on behind it.
    fn left(candidates: &[(usize, usize, i16, Tier, Tail)]) -> Vec<(usize, usize)> {
        let class = Kind::Generic as ClassIndex;
        let evidence = EvidenceSet::of(&[Evidence::Shape]);
        let weighed = candidates.iter().map(|(start, end, tenths, tier, tail)| {
            let candidate = Candidate {
                class,
                start: *start,
                end: *end,
                base: 0,
                evidence,
                tier: *tier,
                weighed: false,
                tail: *tail,
            };
            let taken = Taken {
                class,
                start: *start,
                end: *end,
                tenths: *tenths,
                evidence,
                unbounded: *tail != Tail::None,
            };
            (candidate, taken)
        });
        let mut progress = Progress::default();
        resolve(weighed.collect(), "abcdefgh.", false, &mut progress);
        let spans = progress.held.iter().map(|taken| (taken.start, taken.end));
        spans.collect()
    }

    #[test]
    fn what_goes_on_does_not_run_over_what_was_taken() {
        let spans = left(&[
            (0, 4, 0, Tier::Assigned, Tail::Run(TOKEN)),
            (6, 8, 0, Tier::Secret, Tail::None),
        ]);
        assert_eq!(spans, [(0, 6), (6, 8)]);
    }

    #[test]
    fn what_is_more_likely_nothing_holds_nothing_that_is_not() {
        let within = |tenths| {
            left(&[
                (0, 8, tenths, Tier::Value, Tail::None),
                (2, 6, 10, Tier::Value, Tail::None),
            ])
        };
        assert_eq!(within(-1), [(2, 6)]);
        assert_eq!(within(0), [(0, 8)]);
    }
}
