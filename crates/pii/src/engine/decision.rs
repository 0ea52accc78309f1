//! Which candidates are taken: the words around are weighed, overlaps are resolved.

use std::cell::Cell;
use std::cmp::Ordering;

use super::byte::{self, ALNUM, TOKEN};
use super::candidate::{Candidate, ClassIndex, Tail};
use super::context::Words;
use super::progress::Region;
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

/// Of overlapping candidates the lower tier is taken, then the likelier, then the longer.
fn resolve(mut weighed: Vec<(Candidate, Taken)>, text: &str, open: bool, progress: &mut Progress) {
    weighed.sort_by(|(a, x), (b, y)| {
        a.tier
            .cmp(&b.tier)
            .then(y.tenths.cmp(&x.tenths))
            .then(if x.class == y.class {
                x.start.cmp(&y.start)
            } else {
                Ordering::Equal
            })
            .then((y.end - y.start).cmp(&(x.end - x.start)))
            .then(x.start.cmp(&y.start))
            .then(x.class.cmp(&y.class))
    });
    // Of one class the longer holds the shorter. What it held is asked again where it loses itself.
    let spans: Vec<_> = weighed
        .iter()
        .map(|(_, taken)| (taken.class, taken.start, taken.end))
        .collect();
    weighed.retain(|(_, taken)| {
        !spans.iter().any(|(class, start, end)| {
            *class == taken.class
                && *start <= taken.start
                && taken.end <= *end
                && end - start > taken.end - taken.start
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

/// Where a span ends that goes on past its candidate.
pub(super) fn tail(text: &str, end: usize, tail: Tail) -> usize {
    let rest = text.as_bytes().get(end..).unwrap_or_default();
    let run = |accepts: &dyn Fn(u8) -> bool| end + rest.iter().take_while(|b| accepts(**b)).count();
    let to_line = |marks: &[&str]| {
        let rest = text.get(end..).unwrap_or_default();
        let found = marks
            .iter()
            .filter_map(|mark| rest.find(mark).map(|at| at + mark.len()))
            .min();
        found.map(|at| end + at)
    };
    match tail {
        Tail::None => end,
        Tail::Run(kinds) => run(&|b| byte::is(b, kinds)),
        Tail::Jwt => run(&|b| byte::is(b, TOKEN) || b == b'.'),
        Tail::Pem => {
            let Some(mark) = to_line(&["-----END "]) else {
                return text.len();
            };
            let label = text.get(mark..).unwrap_or_default().find("-----");
            label.map_or(text.len(), |at| mark + at + 5)
        }
        Tail::Putty => {
            let Some(mark) = to_line(&["Private-MAC: ", "Private-Hash: "]) else {
                return text.len();
            };
            let rest = text.as_bytes().get(mark..).unwrap_or_default();
            mark + rest.iter().take_while(|b| byte::is(**b, ALNUM)).count()
        }
    }
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
    use super::super::candidate::Tier;
    use super::*;
    use crate::detection::EvidenceSet;

    #[test]
    fn what_goes_on_does_not_run_over_what_was_taken() {
        let span = |start: usize, end: usize, tier: Tier, tail: Tail| {
            let class = Kind::Generic as ClassIndex;
            let evidence = EvidenceSet::of(&[Evidence::Shape]);
            let candidate = Candidate {
                class,
                start,
                end,
                base: 0,
                evidence,
                tier,
                weighed: false,
                tail,
            };
            let taken = Taken {
                class,
                start,
                end,
                tenths: 0,
                evidence,
                unbounded: tail != Tail::None,
            };
            (candidate, taken)
        };
        let weighed = vec![
            span(0, 4, Tier::Assigned, Tail::Run(TOKEN)),
            span(6, 8, Tier::Secret, Tail::None),
        ];
        let mut progress = Progress::default();
        resolve(weighed, "abcdefgh.", false, &mut progress);
        let spans = progress.held.iter().map(|taken| (taken.start, taken.end));
        let spans: Vec<_> = spans.collect();
        assert_eq!(spans, [(0, 6), (6, 8)]);
    }
}
