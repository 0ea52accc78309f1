//! Payloads: which fit, which are sealed, which are gone and by what.

use std::collections::BTreeMap;

use super::{Findings, PayloadForm, Scrub};
use crate::payload_view::PayloadView;
use crate::{ERASED_KIND, Erasure, Finding, LeafView, MAX_FINDINGS, RetentionClass};

/// How an open payload begins: a map of three or four, its version, the key of its event's id.
const OPENED: [&[u8]; 2] = [&[0xa3, 0, 1, 1, 0x50], &[0xa4, 0, 1, 1, 0x50]];

/// How many payloads were seen, by what is known of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PayloadCounts {
    /// Opened, and what their entries commit to.
    pub checked: u64,
    /// Sealed: there, and not checked.
    pub sealed: u64,
    /// Gone by an erasure.
    pub erased: u64,
    /// Gone without one.
    pub missing: u64,
}

/// Payloads that are gone by an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The first entry.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// The entry that says so.
    pub by: u64,
}

/// What is known of payloads so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) counts: PayloadCounts,
    missing: Vec<(u64, u64, RetentionClass)>,
    erasures: Vec<(u64, Erasure)>,
}

impl Tally {
    pub(super) fn add(&mut self, other: &mut Self) {
        self.counts.checked += other.counts.checked;
        self.counts.sealed += other.counts.sealed;
        self.missing.append(&mut other.missing);
        self.erasures.append(&mut other.erasures);
    }

    pub(super) fn erasure(&mut self, leaf: &LeafView<'_>, index: u64) {
        // Few leaves say so.
        if !leaf.is_of_kind(ERASED_KIND) {
            return;
        }
        let event = leaf.to_event().ok();
        let erasure = event.and_then(|event| Erasure::of(&event, index));
        self.erasures
            .extend(erasure.map(|erasure| (index, erasure)));
    }

    /// Takes in what lies beside an entry; whether it may.
    pub(super) fn payload(
        &mut self,
        leaf: &LeafView<'_>,
        index: u64,
        payload: &[u8],
        about: &Scrub<'_>,
    ) -> bool {
        if payload.is_empty() {
            if leaf.commits() {
                let class = about.classes.named(leaf.kind());
                match self.missing.last_mut() {
                    Some((_, to, of)) if *to == index && *of == class => *to = index + 1,
                    _ => self.missing.push((index, index + 1, class)),
                }
            }
            return true;
        }
        let is_opened = about.payloads == PayloadForm::Opened
            || OPENED.iter().any(|begin| payload.starts_with(begin));
        if !is_opened {
            self.counts.sealed += 1;
            return true;
        }
        let fits = PayloadView::parse(payload).is_ok_and(|it| it.is_of(leaf));
        self.counts.checked += u64::from(fits);
        fits
    }

    /// Says of what is missing by what it is gone, now that all erasures are known.
    pub(super) fn resolve(&mut self, covered: u64, found: &mut Findings) -> Vec<Erased> {
        let (mut erased, mut told) = (Vec::new(), 0);
        for class in RetentionClass::ALL {
            let of_class = self.erasures.iter();
            let of_class = of_class.filter(|(_, it)| it.class().is_none_or(|it| it == class));
            let gone = Gone::by(of_class);
            for (from, to, _) in self.missing.iter().filter(|(_, _, of)| *of == class) {
                let mut at = *from;
                while at < *to {
                    let (until, by) = gone.at(at, *to);
                    let count = until - at;
                    match by {
                        None => {
                            self.counts.missing += count;
                            found.find(Finding::PayloadMissing { index: at });
                            found.omitted += count - 1;
                        }
                        Some(by) if by >= covered => {
                            self.counts.erased += count;
                            found.find(Finding::UnsignedErasure { index: at, by });
                        }
                        Some(by) => {
                            self.counts.erased += count;
                            told += 1;
                            if told <= MAX_FINDINGS {
                                erased.push(Erased {
                                    from: at,
                                    to: until,
                                    by,
                                });
                            }
                        }
                    }
                    at = until;
                }
            }
        }
        erased.sort_by_key(|it| it.from);
        erased
    }
}

/// Which entries' payloads are gone, and by which entry first.
struct Gone(BTreeMap<u64, (u64, u64)>);

impl Gone {
    /// Of erasures in the order of the log. Each range is looked at once: what an earlier erasure
    /// covers is one range for all later ones.
    fn by<'a>(erasures: impl Iterator<Item = &'a (u64, Erasure)>) -> Self {
        let (mut gone, mut covered) = (BTreeMap::new(), BTreeMap::<u64, u64>::new());
        for (by, erasure) in erasures {
            let (mut from, mut to) = (erasure.from(), erasure.to());
            let mut at = from;
            if let Some((start, end)) = covered.range(..=from).next_back()
                && *end >= from
            {
                (from, at) = (*start, *end);
                to = to.max(*end);
                covered.remove(&from);
            }
            while let Some((start, end)) = covered.range(at..=to).next() {
                let (start, end) = (*start, *end);
                if at < start {
                    gone.insert(at, (start, *by));
                }
                at = end;
                to = to.max(end);
                covered.remove(&start);
            }
            if at < to {
                gone.insert(at, (to, *by));
            }
            covered.insert(from, to);
        }
        Self(gone)
    }

    /// By what the payload at an index is gone, and how far that holds, at most to `to`.
    fn at(&self, index: u64, to: u64) -> (u64, Option<u64>) {
        if let Some((_, (end, by))) = self.0.range(..=index).next_back()
            && *end > index
        {
            return ((*end).min(to), Some(*by));
        }
        let next = self.0.range(index..).next().map_or(to, |(start, _)| *start);
        (next.min(to), None)
    }
}
