//! Refusals: written one by one while they are few, and counted beyond. A log must not grow as
//! fast as anyone can be refused, and must say of each refusal that there was one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::DefaultKeyedRateLimiter;
use strongroom_apikey::KeyId;
use strongroom_auditchain::Slug;
use strongroom_tenancy::TenantId;

use super::rate_limit::{check, per_second};

/// How many refusals of one API key are written in a minute.
const OF_A_KEY: u32 = 10;

/// How many refusals of one tenant are written at once; after that, one a second.
const OF_A_TENANT: u32 = 60;

/// How many counts of one tenant are kept apart in a minute: what is refused beyond them is
/// counted for the tenant as a whole.
const COUNTS: usize = 60;

/// What was refused in this minute.
pub struct Refusals {
    tenants: DefaultKeyedRateLimiter<TenantId>,
    minute: Mutex<Minute>,
}

/// What becomes of a refusal's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is written.
    Record,
    /// It is counted, in an event of the minute's end.
    Count,
}

/// How many were refused and have no event of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whose log says so: for calls that nobody is known to have made, the platform's.
    pub tenant: TenantId,
    /// The key that was used, where it is known and was not one of too many.
    pub key: Option<KeyId>,
    /// Why.
    pub reason: Slug,
    /// How many.
    pub count: u64,
}

#[derive(Default)]
struct Minute {
    tenants: HashMap<TenantId, OfTenant>,
    strangers: HashMap<Slug, u64>,
}

#[derive(Default)]
struct OfTenant {
    written: HashMap<KeyId, u32>,
    counted: HashMap<(Option<KeyId>, Slug), u64>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self {
            tenants: DefaultKeyedRateLimiter::keyed(per_second(1, OF_A_TENANT)),
            minute: Mutex::default(),
        }
    }
}

impl Refusals {
    /// Decides whether a refusal of a known tenant's call is written or only counted.
    ///
    /// `key` must be one that the caller is known to hold: strangers cannot use up its ten.
    #[must_use]
    pub fn note(&self, tenant: TenantId, key: Option<&KeyId>, reason: &Slug) -> Noted {
        let mut minute = self.minute();
        let of_tenant = minute.tenants.entry(tenant).or_default();
        let written = key.map_or(0, |key| of_tenant.written.get(key).copied().unwrap_or(0));
        if written < OF_A_KEY && check(&self.tenants, &tenant).is_ok() {
            if let Some(key) = key {
                of_tenant
                    .written
                    .insert(key.clone(), written.saturating_add(1));
            }
            return Noted::Record;
        }
        of_tenant.count(key.cloned(), reason.clone(), 1);
        Noted::Count
    }

    /// Counts the refusal of a call that nobody is known to have made.
    pub fn note_stranger(&self, reason: Slug) {
        let mut minute = self.minute();
        let count = minute.strangers.entry(reason).or_default();
        *count = count.saturating_add(1);
    }

    /// Ends the minute: what was counted in it, in a fixed order.
    #[must_use]
    pub fn take(&self) -> Vec<Counted> {
        let Minute { tenants, strangers } = std::mem::take(&mut *self.minute());
        let strangers = strangers
            .into_iter()
            .map(|(reason, count)| (TenantId::PLATFORM, None, reason, count));
        let known = tenants.into_iter().flat_map(|(tenant, of_tenant)| {
            let counted = of_tenant.counted.into_iter();
            counted.map(move |((key, reason), count)| (tenant, key, reason, count))
        });
        let counted = strangers.chain(known);
        let mut counted: Vec<_> = counted
            .map(|(tenant, key, reason, count)| Counted {
                tenant,
                key,
                reason,
                count,
            })
            .collect();
        let order = |one: &Counted| (one.tenant.as_uuid().as_u128(), one.reason.clone());
        counted.sort_by_cached_key(|one| (order(one), one.key.as_ref().map(ToString::to_string)));
        counted
    }

    /// Keeps what could not be written for the next minute's end.
    pub fn put_back(&self, counted: impl IntoIterator<Item = Counted>) {
        let mut minute = self.minute();
        for one in counted {
            let of_tenant = minute.tenants.entry(one.tenant).or_default();
            of_tenant.count(one.key, one.reason, one.count);
        }
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfTenant {
    fn count(&mut self, key: Option<KeyId>, reason: Slug, more: u64) {
        let mut counter = (key, reason);
        if self.counted.len() >= COUNTS && !self.counted.contains_key(&counter) {
            counter.0 = None;
        }
        let count = self.counted.entry(counter).or_default();
        *count = count.saturating_add(more);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn slug(text: &str) -> Slug {
        text.parse().unwrap()
    }

    fn key(number: usize) -> KeyId {
        format!("RefusedKey{number:02}").parse().unwrap()
    }

    fn tenant(number: u128) -> TenantId {
        let id = uuid::Builder::from_custom_bytes(number.to_be_bytes()).into_uuid();
        id.to_string().parse().unwrap()
    }

    #[test]
    fn ten_of_a_key_are_written_in_a_minute_and_the_others_counted() {
        let (refusals, tenant, reason) = (Refusals::default(), tenant(1), slug("not-found"));
        let written = |key: &KeyId| {
            let noted = (0..25).map(|_| refusals.note(tenant, Some(key), &reason));
            noted.filter(|noted| *noted == Noted::Record).count()
        };
        assert_eq!(written(&key(1)), 10);
        assert_eq!(written(&key(2)), 10, "a key for itself");
        let counted = |key| Counted {
            tenant,
            key: Some(key),
            reason: reason.clone(),
            count: 15,
        };
        assert_eq!(refusals.take(), [counted(key(1)), counted(key(2))]);
        assert_eq!(written(&key(1)), 10, "another minute");
        let taken = refusals.take();
        assert_eq!(taken, [counted(key(1))]);
        refusals.put_back(taken.clone());
        assert_eq!(refusals.take(), taken);
        assert_eq!(refusals.take(), []);
    }

    #[test]
    fn a_tenant_s_keys_together_have_a_bound_too() {
        let (refusals, one, other) = (Refusals::default(), tenant(1), tenant(2));
        let begun = Instant::now();
        let noted =
            (0..100).map(|number| refusals.note(one, Some(&key(number)), &slug("conflict")));
        let written = noted.filter(|noted| *noted == Noted::Record).count();
        // One more for each second that this took.
        let most = 61 + usize::try_from(begun.elapsed().as_secs()).unwrap();
        assert!((60..=most).contains(&written), "{written}");
        assert_eq!(refusals.note(other, None, &slug("conflict")), Noted::Record);
        let counted: u64 = refusals.take().iter().map(|one| one.count).sum();
        assert_eq!(written as u64 + counted, 100);
    }

    #[test]
    fn counts_are_bounded_and_none_is_lost() {
        let (refusals, tenant) = (Refusals::default(), tenant(1));
        let begun = Instant::now();
        for number in 0..100 {
            for _ in 0..20 {
                let _ = refusals.note(tenant, Some(&key(number)), &slug("conflict"));
            }
        }
        let counted = refusals.take();
        assert_eq!(counted.len(), COUNTS + 1);
        let sum: u64 = counted.iter().map(|one| one.count).sum();
        // One less for each second that this took.
        let least = 1939 - begun.elapsed().as_secs();
        assert!((least..=1940).contains(&sum), "{sum}");
    }

    #[test]
    fn calls_of_nobody_are_counted_for_the_platform() {
        let refusals = Refusals::default();
        for reason in ["unauthenticated", "route-unknown", "unauthenticated"] {
            refusals.note_stranger(slug(reason));
        }
        let found: Vec<_> = refusals.take();
        assert!(
            found
                .iter()
                .all(|one| one.tenant == TenantId::PLATFORM && one.key.is_none())
        );
        let found = found.iter().map(|one| (one.reason.as_str(), one.count));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [("route-unknown", 1), ("unauthenticated", 2)]
        );
    }
}
