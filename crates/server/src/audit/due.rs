//! What is due: which payloads of a log go now, decided from the leaves alone.

use std::collections::BTreeSet;

use strongroom_auditchain::{
    Classes, ClassesError, Erasure, Event, Leaf, Retention, RetentionClass,
};
use strongroom_tenancy::ActorKind;
use uuid::Uuid;

/// The kinds of event that are agents'. The function that erases, `app.erase_payloads`, has the
/// same list.
pub(super) const AGENT_KINDS: [&str; 1] = ["chat."];

/// Most erasures of one plan: each is an entry of the log.
const MOST_ERASURES: usize = 64;

/// Which events are agents', and which an auditor's.
///
/// # Errors
/// Never: the list is well-formed.
pub fn classes() -> Result<Classes, ClassesError> {
    Classes::new(AGENT_KINDS)
}

/// By what a tenant's payloads go.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which kinds are of which class.
    pub classes: Classes,
    /// The tenant's choice.
    pub retention: Retention,
    /// The agents that the tenant marked.
    pub high_risk: BTreeSet<Uuid>,
    /// Below which index all that agents said goes at once; 0 for no erasure.
    pub below: u64,
}

/// Payloads that go together, and what the log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What the log says.
    pub erasure: Erasure,
    /// The entries whose payloads go: none lies between that stays and is of the class.
    pub entries: Vec<u64>,
}

/// What becomes of a page of entries that have payloads.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// What goes.
    pub due: Vec<Due>,
    /// The index after the last entry that was looked at.
    pub next: u64,
    /// Whether nothing that follows can be due: all of the page is young.
    pub is_young: bool,
}

impl Rules {
    /// Whether an entry's payload is to go at `now`, in Unix seconds; and its class.
    #[must_use]
    pub fn is_due(&self, index: u64, event: &Event, now: u64) -> (RetentionClass, bool) {
        let class = self.classes.of(&event.kind);
        let is_agents = class == RetentionClass::Agent;
        let erased = is_agents && index < self.below;
        let is_due = self
            .retention
            .is_due(class, self.is_high_risk(event), event.time_us, now);
        (class, erased || is_due)
    }

    /// Whether an agent that is marked acted, or had somebody act.
    fn is_high_risk(&self, event: &Event) -> bool {
        let chain = event
            .actor
            .iter()
            .flat_map(|actor| std::iter::once(actor.id()).chain(actor.on_behalf_of()));
        let mut agents = chain.filter(|link| link.kind() == ActorKind::Agent);
        agents.any(|agent| self.high_risk.contains(agent.id()))
    }

    /// Plans a page: entries that have payloads, ascending, each with its leaf. One erasure for each
    /// run of a class that nothing of that class interrupts which stays.
    #[must_use]
    pub fn plan<'a>(&self, page: impl IntoIterator<Item = (u64, &'a [u8])>, now: u64) -> Plan {
        let mut plan = Plan::default();
        let mut open: Vec<(RetentionClass, Vec<u64>)> = Vec::new();
        let (mut looked_at, mut young) = (0_usize, 0_usize);
        for (index, leaf) in page {
            if plan.due.len() + open.len() >= MOST_ERASURES {
                looked_at = 0;
                break;
            }
            plan.next = index.saturating_add(1);
            looked_at += 1;
            // What was tampered with is not tampered with further.
            let Ok(event) = Leaf::decode(leaf) else {
                tracing::error!(index, "an entry is no leaf: its payload stays");
                close(&mut plan, &mut open, |_| true);
                continue;
            };
            let (class, is_due) = self.is_due(index, &event, now);
            if !is_due {
                close(&mut plan, &mut open, |of| of == class);
                let is_marked = self.is_high_risk(&event);
                young += usize::from(class == RetentionClass::Agent && !is_marked);
            } else if let Some((_, run)) = open.iter_mut().find(|(of, _)| *of == class) {
                run.push(index);
            } else {
                open.push((class, vec![index]));
            }
        }
        close(&mut plan, &mut open, |_| true);
        // Times do not quite ascend with the index: one that is young says nothing, most of a page do.
        plan.is_young = plan.due.is_empty() && young * 2 > looked_at;
        plan
    }
}

fn close(
    plan: &mut Plan,
    open: &mut Vec<(RetentionClass, Vec<u64>)>,
    ends: impl Fn(RetentionClass) -> bool,
) {
    for (class, entries) in open.extract_if(.., |(class, _)| ends(*class)) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            continue;
        };
        if let Ok(erasure) = Erasure::new(*first, last.saturating_add(1), Some(class)) {
            plan.due.push(Due { erasure, entries });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use strongroom_auditchain::{Commitments, Outcome};
    use strongroom_tenancy::{Actor, ActorId, RequestId};

    use super::*;

    const DAY: u64 = 86_400;
    const THEN: u64 = 1_800_000_000;
    const MARKED: Uuid = Uuid::from_u128(77);

    fn rules(below: u64) -> Rules {
        Rules {
            classes: classes().unwrap(),
            retention: Retention::new(30).unwrap(),
            high_risk: BTreeSet::from([MARKED]),
            below,
        }
    }

    fn leaf(kind: &str, chain: &[(ActorKind, Uuid)], at: u64) -> Vec<u8> {
        let mut chain = chain.iter().map(|(k, id)| ActorId::new(*k, *id).unwrap());
        let actor = chain
            .next()
            .map(|first| Actor::delegated(first, chain.collect()).unwrap());
        let event = Event {
            id: Uuid::now_v7_like(),
            time_us: at * 1_000_000,
            kind: kind.parse().unwrap(),
            actor,
            resource: None,
            credential: None,
            request_id: RequestId::from_parts(1, &[1; 10]),
            policy: None,
            source: "gateway".to_owned(),
            outcome: Outcome::Success,
            commitments: Commitments::NONE,
        };
        Leaf::encode(&event).unwrap().as_bytes().to_vec()
    }

    trait Id {
        fn now_v7_like() -> Self;
    }

    impl Id for Uuid {
        fn now_v7_like() -> Self {
            uuid::Builder::from_unix_timestamp_millis(1, &[1; 10]).into_uuid()
        }
    }

    fn ranges(plan: &Plan) -> Vec<String> {
        plan.due.iter().map(|due| due.erasure.resource()).collect()
    }

    #[test]
    fn what_stays_interrupts_a_run_of_its_class_alone() {
        let user = [(ActorKind::User, MARKED)];
        let marked = [
            (ActorKind::Service, Uuid::from_u128(1)),
            (ActorKind::Agent, MARKED),
        ];
        let page = [
            (2, leaf("chat.attempt", &user, THEN)),
            (3, leaf("keys.shred", &user, THEN)),
            (5, leaf("chat.outcome", &user, THEN)),
            (6, leaf("chat.attempt", &marked, THEN)),
            (7, leaf("chat.attempt", &user, THEN)),
            (9, b"no leaf".to_vec()),
            (11, leaf("chat.attempt", &user, THEN)),
            (12, leaf("chat.attempt", &user, THEN + DAY)),
        ];
        let page = || page.iter().map(|(index, leaf)| (*index, leaf.as_slice()));
        let plan = rules(0).plan(page(), THEN + 30 * DAY);
        let expected = [
            "entries/2-6/agent",
            "entries/7-8/agent",
            "entries/11-12/agent",
        ];
        assert_eq!(ranges(&plan), expected);
        assert_eq!(plan.due[0].entries, [2, 5]);
        assert_eq!((plan.next, plan.is_young), (13, false));
        assert_eq!(ranges(&rules(0).plan(page(), THEN + 30 * DAY - 1)), [""; 0]);

        let plan = rules(0).plan(page(), THEN + 184 * DAY);
        assert_eq!(ranges(&plan), ["entries/2-8/agent", "entries/11-13/agent"]);
        let plan = rules(0).plan(page(), THEN + 2557 * DAY);
        assert!(ranges(&plan).contains(&"entries/3-4/compliance".to_owned()));
    }

    #[test]
    fn an_organisations_erasure_takes_all_that_agents_said_and_no_more() {
        let marked = [(ActorKind::Agent, MARKED)];
        let page = [
            (0, leaf("chat.attempt", &marked, THEN)),
            (1, leaf("break_glass.used", &marked, THEN)),
            (2, leaf("chat.outcome", &marked, THEN)),
            (3, leaf("chat.outcome", &marked, THEN)),
        ];
        let page = page.iter().map(|(index, leaf)| (*index, leaf.as_slice()));
        let plan = rules(3).plan(page, THEN);
        assert_eq!(ranges(&plan), ["entries/0-3/agent"]);
        assert_eq!(plan.due[0].entries, [0, 2]);
    }

    #[test]
    fn a_page_of_young_entries_is_the_last() {
        let young = leaf("chat.attempt", &[], THEN);
        let old = leaf("keys.shred", &[], THEN - 300 * DAY);
        let plan = |page: &[&Vec<u8>]| {
            let page = page.iter().enumerate();
            rules(0).plan(page.map(|(i, leaf)| (i as u64, leaf.as_slice())), THEN)
        };
        assert!(plan(&[&young, &young, &old]).is_young);
        assert!(!plan(&[&young, &old, &old]).is_young);
        assert!(!plan(&[]).is_young);
    }

    #[test]
    fn a_plan_has_so_many_erasures_and_goes_on_from_there() {
        let due = leaf("chat.attempt", &[], THEN);
        let kept = leaf("chat.attempt", &[(ActorKind::Agent, MARKED)], THEN);
        let page = (0..1000).map(|i| (i, if i % 2 == 0 { &*due } else { &*kept }));
        let plan = rules(0).plan(page, THEN + 30 * DAY);
        assert_eq!((plan.due.len(), plan.next), (MOST_ERASURES, 127));
        assert!(!plan.is_young);
    }
}
