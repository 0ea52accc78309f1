//! The zones in use: what is lost is neither written nor read again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::hand::{Act, Hand};
use super::locked;
use super::zone::Zone;

/// The zones of an open store.
pub(super) struct Zones {
    /// By number; none for those that are lost.
    places: Mutex<Vec<Option<Arc<Hand>>>>,
    /// How many there must be.
    needed: usize,
    /// How long one call of a zone may take.
    patience: Duration,
    /// Those that were lost here, and why.
    lost: Mutex<Vec<(usize, String)>>,
    /// How many of them were told.
    told: AtomicUsize,
}

impl Zones {
    pub(super) fn start(
        places: &[Option<Arc<dyn Zone>>],
        needed: usize,
        patience: Duration,
    ) -> io::Result<Self> {
        let hand = |(number, zone): (usize, &Option<Arc<dyn Zone>>)| {
            let hand = zone.as_ref().map(|it| Hand::start(number, Arc::clone(it)));
            Ok(hand.transpose()?.map(Arc::new))
        };
        let places: io::Result<_> = places.iter().enumerate().map(hand).collect();
        Ok(Self {
            places: Mutex::new(places?),
            needed,
            patience,
            lost: Mutex::default(),
            told: AtomicUsize::new(0),
        })
    }

    /// A zone to read from: all that are in use have the same.
    pub(super) fn source(&self) -> io::Result<Arc<dyn Zone>> {
        let first = self.in_use().into_iter().next();
        let first = first.ok_or_else(|| io::Error::other("no zone is left"))?;
        Ok(Arc::clone(&first.1.zone))
    }

    /// From now on it is not used. Why is told by [`Self::news`].
    pub(super) fn lose(&self, number: usize, why: &dyn std::fmt::Display) {
        let place = locked(&self.places).get_mut(number).and_then(Option::take);
        if place.is_some() {
            locked(&self.lost).push((number, why.to_string()));
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.told.load(Ordering::Relaxed) < locked(&self.lost).len()
    }

    /// The zones that were lost here since it was last asked, and why.
    pub(super) fn news(&self) -> Vec<(usize, String)> {
        let lost = locked(&self.lost);
        let told = self.told.swap(lost.len(), Ordering::Relaxed);
        lost.get(told..).unwrap_or_default().to_vec()
    }

    /// All that were lost here, and why.
    pub(super) fn lost(&self) -> Vec<(usize, String)> {
        locked(&self.lost).clone()
    }

    /// Reads what all zones in use should have from the first that has it as it should be; those
    /// that do not are lost, if enough are left.
    pub(super) fn first<T>(&self, read: impl Fn(&dyn Zone) -> io::Result<T>) -> io::Result<T> {
        let in_use = self.in_use();
        let mut spare = in_use.len().saturating_sub(self.needed);
        let mut damaged: Vec<(usize, io::Error)> = Vec::new();
        for (number, hand) in in_use {
            match read(hand.zone.as_ref()) {
                Ok(found) => {
                    for (number, why) in &damaged {
                        self.lose(*number, why);
                    }
                    return Ok(found);
                }
                Err(error) => {
                    damaged.push((number, error));
                    if spare == 0 {
                        break;
                    }
                    spare -= 1;
                }
            }
        }
        let first = damaged.into_iter().next().map(|(_, error)| error);
        Err(first.unwrap_or_else(|| io::Error::other("no zone is left")))
    }

    /// What most has come of what the zones say. Those that say anything else are lost, if enough
    /// are left; else it is the error, for nobody knows which of them is right.
    pub(super) fn agree<T: PartialEq, E: std::fmt::Display>(
        &self,
        ask: impl Fn(&dyn Zone) -> Result<T, E>,
        size: impl Fn(&T) -> u64,
        disagree: impl FnOnce() -> E,
    ) -> Result<T, E> {
        let answers = self.ask(ask);
        let best = answers
            .iter()
            .filter_map(|(number, answer)| Some((size(answer.as_ref().ok()?), number)))
            .max_by_key(|(size, number)| (*size, std::cmp::Reverse(**number)))
            .map(|(_, best)| *best);
        let others = others(&answers, best);
        let enough = answers.len() - others.len() >= self.needed;
        let (mut agreed, mut failed) = (None, None);
        for (number, answer) in answers {
            match answer {
                Ok(said) if !others.contains(&number) => agreed = Some(said),
                Ok(_) if enough => self.lose(number, &"it has another head of a log"),
                Err(error) if enough => self.lose(number, &error),
                Err(error) => failed = failed.or(Some(error)),
                Ok(_) => {}
            }
        }
        match agreed {
            Some(agreed) if enough || others.is_empty() => Ok(agreed),
            _ => Err(failed.unwrap_or_else(disagree)),
        }
    }

    /// What more than half of the zones say. Those that say anything else are lost, if enough are
    /// left. Where no half agrees, nothing tells which is right, and it is what the first says.
    pub(super) fn most<T: PartialEq>(
        &self,
        ask: &dyn Fn(&dyn Zone) -> io::Result<T>,
    ) -> io::Result<T> {
        let answers = self.ask(ask);
        let others_of = |number: &usize| others(&answers, Some(*number));
        let agree = |number: &&usize| others_of(number).len() * 2 < answers.len();
        let numbers: Vec<usize> = answers.iter().map(|(number, _)| *number).collect();
        let best = numbers.iter().find(agree).copied();
        let others = best
            .map(|best| others(&answers, Some(best)))
            .unwrap_or_default();
        let left = answers.len() - others.len();
        let enough = left >= self.needed;
        let (mut taken, mut failed) = (None, None);
        for (number, answer) in answers {
            match answer {
                Ok(said) if best.is_none_or(|best| best == number) => taken = taken.or(Some(said)),
                Ok(_) if enough && others.contains(&number) => {
                    self.lose(number, &"it has other payloads than most");
                }
                Err(error) if enough && others.contains(&number) => self.lose(number, &error),
                Err(error) => failed = failed.or(Some(error)),
                Ok(_) => {}
            }
        }
        let gone = || io::Error::other("no zone is left");
        taken.ok_or_else(|| failed.unwrap_or_else(gone))
    }

    fn ask<T, E>(&self, ask: impl Fn(&dyn Zone) -> Result<T, E>) -> Vec<(usize, Result<T, E>)> {
        let zones = self.in_use().into_iter();
        zones
            .map(|(number, hand)| (number, ask(hand.zone.as_ref())))
            .collect()
    }

    /// Does the same in every zone, side by side. One that fails or hangs is lost; too few left are
    /// an error.
    pub(super) fn each(
        &self,
        act: impl Fn(&dyn Zone) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<()> {
        let act: Arc<Act> = Arc::new(act);
        let (done, ended) = channel();
        let mut waiting: BTreeMap<usize, (Arc<Hand>, u64)> = BTreeMap::new();
        for (number, hand) in self.in_use() {
            hand.ask(&act, &done);
            let calls = hand.calls();
            waiting.insert(number, (hand, calls));
        }
        drop(done);
        let mut last = None;
        while !waiting.is_empty() {
            match ended.recv_timeout(self.patience) {
                Ok((number, result)) => {
                    waiting.remove(&number);
                    if let Err(error) = result {
                        self.lose(number, &error);
                        last = Some(error);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    waiting.retain(|number, (hand, before)| {
                        let calls = hand.calls();
                        let hangs = calls == *before;
                        *before = calls;
                        if hangs {
                            let why = io::Error::from(io::ErrorKind::TimedOut);
                            hand.abandon();
                            self.lose(*number, &why);
                            last = Some(why);
                        }
                        !hangs
                    });
                }
                // A hand is gone: its thread panicked.
                Err(RecvTimeoutError::Disconnected) => {
                    for number in waiting.keys() {
                        self.lose(*number, &"its thread ended");
                    }
                    break;
                }
            }
        }
        drop(waiting);
        if self.in_use().len() >= self.needed {
            return Ok(());
        }
        Err(last.unwrap_or_else(|| io::Error::other("too few zones are left")))
    }

    fn in_use(&self) -> Vec<(usize, Arc<Hand>)> {
        let places = locked(&self.places);
        let hands = places.iter().enumerate();
        hands
            .filter_map(|(number, hand)| Some((number, Arc::clone(hand.as_ref()?))))
            .collect()
    }
}

/// The zones that do not say what this one says.
fn others<T: PartialEq, E>(
    answers: &[(usize, Result<T, E>)],
    best: Option<usize>,
) -> BTreeSet<usize> {
    let best = answers.iter().find(|(number, _)| Some(*number) == best);
    let is_best = |answer: &Result<T, E>| match (best, answer) {
        (Some((_, Ok(best))), Ok(said)) => best == said,
        _ => false,
    };
    let others = answers.iter().filter(|(_, answer)| !is_best(answer));
    others.map(|(number, _)| *number).collect()
}
