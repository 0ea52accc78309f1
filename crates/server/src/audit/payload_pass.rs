//! The verification pass over payloads: each is there, or an entry of the log says that it was erased.

use std::collections::VecDeque;

use strongroom_auditchain::{Classes, ClassesError, Erasure, Event, Leaf, RetentionClass};

use super::due::classes;

/// Most findings, and most runs of erased payloads, that are listed.
pub const MOST_LISTED: usize = 64;

/// Most payloads that may be found erased by an entry which came after they were looked for.
const MOST_OPEN: usize = 100_000;

/// What became of the payloads that a log's entries commit to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadReport {
    /// How many are there.
    pub present: u64,
    /// How many were erased, as the log says.
    pub erased: u64,
    /// By which entries, in the order of what they erased; at most [`MOST_LISTED`].
    pub erased_by: Vec<ErasedRun>,
    /// How many are not there though nothing says that they were erased.
    pub missing: u64,
    /// The entries of the first of these; at most [`MOST_LISTED`].
    pub missing_at: Vec<u64>,
}

/// Payloads that one entry says were erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasedRun {
    /// The first entry whose payload is gone.
    pub from: u64,
    /// One past the last.
    pub to: u64,
    /// How many payloads.
    pub payloads: u64,
    /// The entry that says so.
    pub by: u64,
}

/// The pass, fed with a log's entries in their order.
pub(super) struct PayloadPass {
    classes: Classes,
    /// What the log says was erased, and where it says so, by the first entry that is meant.
    to_come: VecDeque<(Erasure, u64)>,
    under_way: Vec<(Erasure, u64)>,
    open: Vec<(u64, RetentionClass)>,
    report: PayloadReport,
}

/// The erasure that an entry says, if it is one.
pub(super) fn erasure(index: u64, leaf: &[u8]) -> Option<(Erasure, u64)> {
    let event = Leaf::decode(leaf).ok()?;
    Some((Erasure::of(&event, index)?, index))
}

impl PayloadPass {
    /// A pass over a log that says of these erasures.
    pub(super) fn new(mut said: Vec<(Erasure, u64)>) -> Result<Self, ClassesError> {
        said.sort_by_key(|(erasure, by)| (erasure.from(), *by));
        Ok(Self {
            classes: classes()?,
            to_come: said.into(),
            under_way: Vec::new(),
            open: Vec::new(),
            report: PayloadReport::default(),
        })
    }

    /// Takes the next entry: the indices ascend.
    pub(super) fn push(&mut self, index: u64, event: &Event, is_there: bool) {
        if event.commitments.is_none() {
            return;
        }
        if is_there {
            // Erased or not: what is there is verified as any other.
            self.report.present += 1;
            return;
        }
        let class = self.classes.of(&event.kind);
        while let Some(said) = self.to_come.pop_front_if(|(e, _)| e.from() <= index) {
            self.under_way.push(said);
        }
        self.under_way.retain(|(erasure, _)| erasure.to() > index);
        match first_of(&self.under_way, index, class) {
            Some(by) => self.report.erased(index, by),
            None if self.open.len() < MOST_OPEN => self.open.push((index, class)),
            None => self.report.missing(index),
        }
    }

    /// Whether entries that came since may say of what was not found.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Ends the pass, with what the log says by now besides.
    pub(super) fn finish(mut self, said: &[(Erasure, u64)]) -> PayloadReport {
        for (index, class) in self.open {
            match first_of(said, index, class) {
                Some(by) => self.report.erased(index, by),
                None => self.report.missing(index),
            }
        }
        self.report
    }
}

fn first_of(said: &[(Erasure, u64)], index: u64, class: RetentionClass) -> Option<u64> {
    let of_it = said
        .iter()
        .filter(|(erasure, _)| erasure.covers(index, class));
    of_it.map(|(_, by)| *by).min()
}

impl PayloadReport {
    fn erased(&mut self, index: u64, by: u64) {
        self.erased += 1;
        let to = index.saturating_add(1);
        if let Some(run) = self.erased_by.last_mut().filter(|run| run.by == by) {
            run.to = to;
            run.payloads += 1;
        } else if self.erased_by.len() < MOST_LISTED {
            self.erased_by.push(ErasedRun {
                from: index,
                to,
                payloads: 1,
                by,
            });
        }
    }

    fn missing(&mut self, index: u64) {
        self.missing += 1;
        if self.missing_at.len() < MOST_LISTED {
            self.missing_at.push(index);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use strongroom_auditchain::{Commitments, Outcome};
    use strongroom_tenancy::RequestId;
    use uuid::Uuid;

    use super::*;

    fn event(kind: &str, is_committed: bool) -> Event {
        let commitments = if is_committed {
            Commitments::Map([1; 32])
        } else {
            Commitments::NONE
        };
        Event {
            id: Uuid::from_u128(1),
            time_us: 1,
            kind: kind.parse().unwrap(),
            actor: None,
            resource: None,
            credential: None,
            request_id: RequestId::from_parts(1, &[1; 10]),
            policy: None,
            source: "gateway".to_owned(),
            outcome: Outcome::Success,
            commitments,
        }
    }

    fn said(from: u64, to: u64, by: u64) -> (Erasure, u64) {
        let erasure = Erasure::new(from, to, Some(RetentionClass::Agent)).unwrap();
        (erasure, by)
    }

    #[test]
    fn each_payload_is_there_or_erased_or_missing() {
        let mut pass = PayloadPass::new(vec![said(2, 6, 20), said(0, 3, 10)]).unwrap();
        let chat = event("chat.attempt", true);
        pass.push(0, &chat, false);
        pass.push(1, &event("chat.call", false), false);
        pass.push(2, &chat, false);
        pass.push(3, &event("keys.shred", true), false);
        pass.push(4, &chat, true);
        pass.push(5, &chat, false);
        pass.push(6, &chat, false);
        pass.push(7, &chat, false);
        assert!(pass.is_open());
        // The seventh went while the pass was on its way; the log says so since.
        let report = pass.finish(&[said(7, 8, 30)]);
        assert_eq!((report.present, report.erased, report.missing), (1, 4, 2));
        assert_eq!(report.missing_at, [3, 6]);
        let run = |from, to, payloads, by| ErasedRun {
            from,
            to,
            payloads,
            by,
        };
        let runs = [run(0, 3, 2, 10), run(5, 6, 1, 20), run(7, 8, 1, 30)];
        assert_eq!(report.erased_by, runs);
    }

    #[test]
    fn what_is_listed_is_bounded() {
        let said_each = (0..200).map(|i| said(i, i + 1, 1000 + i)).collect();
        let mut pass = PayloadPass::new(said_each).unwrap();
        let chat = event("chat.attempt", true);
        for index in 0..400 {
            pass.push(index, &chat, false);
        }
        let report = pass.finish(&[]);
        assert_eq!((report.erased, report.missing), (200, 200));
        assert_eq!(report.erased_by.len(), MOST_LISTED);
        assert_eq!(report.missing_at.len(), MOST_LISTED);
    }
}
