//! The forms of vendors' keys: a prefix, and runs of known length.

use crate::engine::byte::{self, ALNUM, KEYISH};
use crate::engine::window::Window;

/// One form, read from a pattern in the syntax of regular expressions, of which it has literals,
/// `[sets]`, `{n}`, `{m,n}` and `?` behind a set.
#[derive(Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    set: u128,
    fewest: usize,
    most: usize,
}

impl Pattern {
    /// Whether a byte may end what it reads.
    pub(super) fn takes(&self, byte: u8) -> bool {
        self.parts
            .last()
            .is_some_and(|part| part.set & bit(byte) != 0)
    }

    /// Whether a byte may be in what it reads.
    pub(super) fn reads(&self, byte: u8) -> bool {
        self.parts.iter().any(|part| part.set & bit(byte) != 0)
    }

    pub(super) fn new(pattern: &str) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = pattern.bytes().peekable();
        while let Some(b) = rest.next() {
            let set = match b {
                b'[' => set(&mut rest),
                b'\\' => rest.next().map_or(0, bit),
                literal => bit(literal),
            };
            let (mut fewest, mut most) = (1, 1);
            match rest.peek() {
                Some(b'{') => {
                    let counts: Vec<u8> =
                        rest.by_ref().skip(1).take_while(|b| *b != b'}').collect();
                    let mut counts = counts.split(|b| *b == b',').map(|digits| {
                        digits
                            .iter()
                            .fold(0, |n, b| n * 10 + usize::from(b.wrapping_sub(b'0')))
                    });
                    fewest = counts.next().unwrap_or(1);
                    most = counts.next().unwrap_or(fewest);
                }
                Some(b'?') => {
                    rest.next();
                    fewest = 0;
                }
                _ => {}
            }
            parts.push(Part { set, fewest, most });
        }
        Self { parts }
    }

    /// How many bytes it begins with at least that keys are written in.
    pub(super) fn lead(&self) -> usize {
        let keyish = |part: &&Part| part.set & !among_keyish() == 0;
        self.parts
            .iter()
            .take_while(keyish)
            .map(|part| part.fewest)
            .sum()
    }

    /// How many bytes it begins with that are always the same.
    pub(super) fn prefix(&self) -> usize {
        let same = |part: &&Part| part.set.is_power_of_two() && part.fewest == part.most;
        self.parts.iter().take_while(same).count()
    }

    /// The first byte that the form can have, when there is only one.
    pub(super) fn first(&self) -> Option<u8> {
        let part = self
            .parts
            .first()
            .filter(|part| part.set.is_power_of_two())?;
        u8::try_from(part.set.trailing_zeros()).ok()
    }

    /// Where the text from an offset on stops to have this form.
    pub(super) fn read(&self, window: &Window<'_>, start: usize) -> Option<usize> {
        read(&self.parts, window, start)
    }
}

/// Reads the parts one after the other; a run gives back what the next part, a literal inside its
/// own set, needs.
fn read(parts: &[Part], window: &Window<'_>, start: usize) -> Option<usize> {
    let Some((part, rest)) = parts.split_first() else {
        return Some(start);
    };
    let accepts = |at: usize| {
        let b = window.byte(at);
        b != 0 && b.is_ascii() && part.set & bit(b) != 0
    };
    let mut count = 0;
    while count < part.most && accepts(start + count) {
        count += 1;
    }
    if part.fewest == part.most || rest.first().is_none_or(|next| next.set & part.set == 0) {
        return (count >= part.fewest)
            .then(|| read(rest, window, start + count))
            .flatten();
    }
    (part.fewest..=count)
        .rev()
        .find_map(|count| read(rest, window, start + count))
}

fn set(rest: &mut std::iter::Peekable<std::str::Bytes<'_>>) -> u128 {
    let mut set = 0;
    let mut last: Option<u8> = None;
    while let Some(b) = rest.next() {
        match (b, last, rest.peek().copied()) {
            (b']', ..) => break,
            (b'-', Some(from), Some(to)) if to != b']' => {
                rest.next();
                set |= (from..=to).fold(0, |set, b| set | bit(b));
                last = None;
            }
            _ => {
                set |= bit(b);
                last = Some(b);
            }
        }
    }
    set
}

fn among_keyish() -> u128 {
    (0..128)
        .filter(|b| byte::is(*b, KEYISH))
        .fold(0, |set, b| set | bit(b))
}

fn bit(byte: u8) -> u128 {
    1_u128.checked_shl(u32::from(byte)).unwrap_or(0)
}

/// Whether nothing of a key stands just before, or just after.
pub(super) fn stands_alone(window: &Window<'_>, start: usize, end: usize) -> bool {
    let joins = |b: u8| byte::is(b, ALNUM) || matches!(b, b'_' | b'-');
    !joins(window.before(start)) && !joins(window.byte(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_read_what_regular_expressions_do() {
        for (pattern, text, end) in [
            ("ghp_[A-Za-z0-9]{4}", "ghp_aB3d", Some(8)),
            ("ghp_[A-Za-z0-9]{4}", "ghp_aB3", None),
            ("a[b-d]{1,3}c", "abccc", Some(5)),
            ("sk-[A-Za-z0-9_-]{2,6}T3[a-z]{2}", "sk-aaT3zz", Some(9)),
            ("x\\.y[=]?", "x.y", Some(3)),
            ("x[0-9-]{2}", "x1-", Some(3)),
        ] {
            let window = Window::new(text, 0, None);
            assert_eq!(
                Pattern::new(pattern).read(&window, 0),
                end,
                "{pattern} {text}"
            );
        }
    }
}
