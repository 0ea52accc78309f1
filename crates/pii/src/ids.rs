//! Numbers that a state, a bank or a maker gives out: forms, ranges, check digits.
//!
//! One [`Rule`] a class, kept by region; one index over all their forms, by how they begin, so
//! that a number in a text meets only the forms that it can have.

mod americas;
mod asia;
pub(crate) mod checksum;
mod documents;
mod east;
mod europe;
mod health;
mod north;
mod plates;
mod trade;

use crate::class::Kind;
use crate::detection::{Evidence, EvidenceSet};
use crate::engine::byte::{self, ALNUM, DIGIT, LETTER};
use crate::engine::candidate::{Candidate, Tail, Tier};
use crate::engine::form::{Canonical, Form, bit};
use crate::engine::window::Window;

/// How the values of a class are told.
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    /// Forms, each with its log-odds in tenths when the check passes.
    pub(crate) forms: &'static [(&'static str, i16)],
    /// Ranges, dates and check digits, on the value without separators.
    pub(crate) check: fn(&[u8]) -> bool,
    pub(crate) evidence: EvidenceSet,
}

/// The value has a form, and nothing else to check.
pub(crate) const SHAPED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape]);
/// Ranges, dates or letters were checked.
pub(crate) const NUMBERED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Numbering]);
/// A check digit was checked.
pub(crate) const CHECKED: EvidenceSet = EvidenceSet::of(&[Evidence::Shape, Evidence::Checksum]);
/// Both were.
pub(crate) const PROVEN: EvidenceSet =
    EvidenceSet::of(&[Evidence::Shape, Evidence::Checksum, Evidence::Numbering]);

/// What a form needs besides: that the words around name it.
pub(crate) const NAMED: i16 = -28;

/// A form and its rule.
struct Indexed {
    form: Form,
    base: i16,
    rule: &'static Rule,
}

/// What separates the groups of a value.
const SEPARATORS: &[u8] = b" -./:+(";
const LISTS: usize = SEPARATORS.len() + 1;

/// All forms, by how long what stands before the first separator is, and by the separator.
pub(crate) struct Ids {
    lists: Vec<List>,
}

/// Forms that begin alike.
#[derive(Default)]
struct List {
    /// What stands behind the separator in one of them.
    after: u128,
    /// By how long the second group is; those without a second one first.
    forms: Vec<Vec<Indexed>>,
}

impl List {
    fn of_second(&self, length: usize) -> &[Indexed] {
        self.forms.get(length).map_or(&[], Vec::as_slice)
    }
}

/// Where the list of a length and a separator is; 0 stands for no separator.
fn place(length: usize, separator: u8) -> Option<usize> {
    let kind = match separator {
        0 => 0,
        b => SEPARATORS.iter().position(|known| *known == b)? + 1,
    };
    Some(length * LISTS + kind)
}

impl Ids {
    pub(crate) fn standard() -> Self {
        let mut lists: Vec<List> = Vec::new();
        lists.resize_with((Canonical::LONGEST + 1) * LISTS, List::default);
        let regions = [
            europe::RULES,
            north::RULES,
            east::RULES,
            americas::RULES,
            asia::RULES,
            documents::RULES,
            health::RULES,
            trade::RULES,
            plates::RULES,
        ];
        for rule in regions.into_iter().flatten() {
            for (pattern, base) in rule.forms {
                let form = Form::new(pattern);
                let separator = pattern.bytes().find(|b| SEPARATORS.contains(b));
                let list =
                    place(form.first, separator.unwrap_or(0)).and_then(|at| lists.get_mut(at));
                if let Some(list) = list {
                    let base = *base;
                    list.after |= form.set_at(form.first + 1);
                    let second = form.second;
                    if list.forms.len() <= second {
                        list.forms.resize_with(second + 1, Vec::new);
                    }
                    if let Some(forms) = list.forms.get_mut(second) {
                        forms.push(Indexed { form, base, rule });
                    }
                }
            }
        }
        Self { lists }
    }

    /// Proposes every number that starts where a run of letters and digits does.
    pub(crate) fn at(
        &self,
        window: &Window<'_>,
        start: usize,
        run: usize,
        found: &mut Vec<Candidate>,
    ) {
        let list = |separator| place(run - start, separator).and_then(|at| self.lists.get(at));
        let whole = list(0).map_or([].as_slice(), |list| list.of_second(0));
        // Most numbers in a text are followed by a space and a word.
        let next = window.byte(run);
        let groups = match next {
            0 => None,
            _ => list(next).filter(|list| list.after & bit(window.byte(run + 1)) != 0),
        };
        let second = || window.run(run + 1, ALNUM) - (run + 1);
        let groups = groups.map_or([].as_slice(), |list| list.of_second(second()));
        if whole.is_empty() && groups.is_empty() || !stands_alone_before(window, start) {
            return;
        }
        let digits = window.bytes(start, run).iter().all(|b| byte::is(*b, DIGIT));
        for indexed in whole.iter().chain(groups) {
            if digits && !indexed.form.digits || !digits && !indexed.form.letters {
                continue;
            }
            let Some((end, canonical)) = indexed.form.read(window, start) else {
                continue;
            };
            // What only the words around tell is no part of a program's name: `NL80211_ATTR`.
            let is_named = !digits
                && indexed.rule.evidence == SHAPED
                && window.byte(end) == b'_'
                && window.is(end + 1, LETTER);
            if is_named
                || window.word_at(end)
                || window.joined_after(end)
                || goes_on(window, start, end)
                || !(indexed.rule.check)(canonical.as_bytes())
            {
                continue;
            }
            found.push(Candidate {
                class: indexed.rule.kind as u16,
                start,
                end,
                base: indexed.base,
                evidence: indexed.rule.evidence,
                tier: Tier::Value,
                weighed: true,
                tail: Tail::None,
            });
        }
    }
}

/// Whether groups of digits of one size go on behind the last one that was read: `861 620 372 893`.
fn goes_on(window: &Window<'_>, start: usize, end: usize) -> bool {
    let last = window.run_back(end, DIGIT);
    let size = end - last;
    let grouped =
        last > start && window.before(last) == b' ' && size > 1 && window.byte(end) == b' ';
    grouped
        && window.run(end + 1, DIGIT) - (end + 1) == size
        && !window.word_at(end + 1 + size)
        && window.before(last - 1).is_ascii_digit()
}

/// Whether no number, amount or name goes on into what starts here.
fn stands_alone_before(window: &Window<'_>, start: usize) -> bool {
    if window.joined_before(start) {
        return false;
    }
    match window.before(start) {
        b'$' | b'+' | b'_' => false,
        // `AB-1234` and `v1.1234` are names, `ssn-123` is not told apart from them.
        b'-' | b'.' | b'/' => !window.word_before(start - 1),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_a_group_or_between_two() {
        let alnum = (0..128_u8).filter(|b| byte::is(*b, ALNUM));
        let alnum = alnum.fold(0, |set, b| set | bit(b));
        let ids = Ids::standard();
        let forms = ids
            .lists
            .iter()
            .flat_map(|list| list.forms.iter().flatten());
        let mut places = 0;
        for indexed in forms {
            for place in 0..Canonical::LONGEST {
                let set = indexed.form.set_at(place);
                assert!(
                    set & alnum == 0 || set & !alnum == 0,
                    "{:?}",
                    indexed.rule.kind
                );
                places += u32::from(set != 0);
            }
        }
        assert!(places > 1000, "{places}");
    }
}
