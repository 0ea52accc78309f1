//! `strongroom-envelope` beside Tink, rage and its own cipher.

pub mod long;
pub mod memory;
pub mod ours;
pub mod peers;

use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::rc::Rc;

use crate::case::{Case, Goal, Side};
use crate::report::Report;

use long::{LongPlaintext, Nowhere};
use ours::Ours;
use peers::{Age, Raw, Tink};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A stream that is compared with the cipher alone, in bytes.
const STREAM: u64 = 1 << 30;

/// A stream that is compared with a slower peer, in bytes.
const SHORTER_STREAM: u64 = 64 << 20;

/// What a stream's memory must stay below, in bytes.
const STREAM_MEMORY: u64 = 2 << 20;

/// A rewrap's cost does not depend on the record's size: at most a tenth more.
const SAME: f64 = 1.0 / 1.1;

/// Seals a plaintext.
pub type Seal = fn(&Ours, &[u8]) -> Option<Vec<u8>>;

/// Opens what a [`Seal`] made.
pub type Open = fn(&Ours, &[u8]) -> Option<strongroom_envelope::Plaintext>;

/// A side of a case did not do its work, so that there is nothing to compare.
#[derive(Debug)]
pub struct Idle;

/// Ours, and the peer of most cases.
struct Sides {
    ours: Rc<Ours>,
    tink: Rc<Tink>,
}

/// Measures what is promised of sealing, opening, streams and rewrap.
pub fn measure(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let sides = Sides {
        ours: Rc::new(Ours::new()?),
        tink: Rc::new(Tink::new()?),
    };
    let goal = |ratio, stretch| Some(Goal::of(ratio).stretch(stretch));
    let (cached, fresh): (Seal, Seal) = (Ours::seal_cached, Ours::seal_fresh);
    for (name, size, seal, goal) in [
        ("seal 64 B, cached DEK", 64, cached, goal(0.80, 1.25)),
        ("seal 64 B, fresh DEK", 64, fresh, goal(0.65, 1.0)),
        ("seal 1 KiB, cached DEK", KIB, cached, goal(1.3, 2.0)),
        ("seal 1 KiB, fresh DEK", KIB, fresh, goal(1.15, 1.4)),
        ("seal 1 MiB", MIB, Ours::seal_1mib, Some(Goal::of(10.0))),
    ] {
        report.measure(sides.seal(name, size, seal, goal)?);
    }
    let (cached, fresh): ((Seal, Open), (Seal, Open)) = (
        (Ours::seal_cached, Ours::open_cached),
        (Ours::seal_fresh, Ours::open_fresh),
    );
    let whole: (Seal, Open) = (Ours::seal_1mib, Ours::open_1mib);
    for (name, size, pair, goal) in [
        ("open 64 B, cached DEK", 64, cached, Some(Goal::of(1.0))),
        ("open 64 B, DEK unwrapped", 64, fresh, None),
        ("open 1 KiB, cached DEK", KIB, cached, None),
        ("open 1 KiB, DEK unwrapped", KIB, fresh, None),
        ("open 1 MiB", MIB, whole, Some(Goal::of(4.0))),
    ] {
        report.measure(sides.open(name, size, pair, goal)?);
    }
    report.measure(sides.seal_raw()?);
    report.measure(sides.seal_in_place()?);
    report.measure(sides.rewrap()?);
    report.measure(sides.stream_raw()?);
    report.measure(sides.stream_age()?);
    let memory = memory::of_a_new_process()?;
    report.bound("stream, memory", memory, "bytes", STREAM_MEMORY);
    Ok(())
}

impl Sides {
    fn seal(&self, name: &str, size: usize, seal: Seal, goal: Option<Goal>) -> Result<Case, Idle> {
        let (ours, tink) = (Rc::clone(&self.ours), Rc::clone(&self.tink));
        let plaintext = plaintext(size);
        seal(&ours, &plaintext).ok_or(Idle)?;
        tink.encrypt(&plaintext).ok_or(Idle)?;
        let theirs = Rc::clone(&plaintext);
        Ok(Case {
            name: name.to_owned(),
            peer_name: Tink::NAME,
            goal,
            bytes: Some(size as u64),
            ours: Side::new(move || done(seal(&ours, black_box(&plaintext)))),
            peer: Side::new(move || done(tink.encrypt(black_box(&theirs)))),
        })
    }

    fn open(
        &self,
        name: &str,
        size: usize,
        (seal, open): (Seal, Open),
        goal: Option<Goal>,
    ) -> Result<Case, Idle> {
        let (ours, tink) = (Rc::clone(&self.ours), Rc::clone(&self.tink));
        let plaintext = plaintext(size);
        let sealed = seal(&ours, &plaintext).ok_or(Idle)?;
        let theirs = tink.encrypt(&plaintext).ok_or(Idle)?;
        let opened = open(&ours, &sealed).ok_or(Idle)?;
        if opened[..] != plaintext[..] || tink.decrypt(&theirs).ok_or(Idle)? != plaintext[..] {
            return Err(Idle);
        }
        Ok(Case {
            name: name.to_owned(),
            peer_name: Tink::NAME,
            goal,
            bytes: Some(size as u64),
            ours: Side::new(move || done(open(&ours, black_box(&sealed)))),
            peer: Side::new(move || done(tink.decrypt(black_box(&theirs)))),
        })
    }

    /// Into a new vector, beside the same by the cipher alone.
    fn seal_raw(&self) -> Result<Case, Idle> {
        let (ours, mut raw) = (Rc::clone(&self.ours), Raw::new().ok_or(Idle)?);
        let (plaintext, theirs) = (plaintext(MIB), plaintext(MIB));
        Ok(Case {
            name: "seal 1 MiB, beside raw".to_owned(),
            peer_name: Raw::NAME,
            goal: Some(Goal::of(0.80)),
            bytes: Some(MIB as u64),
            ours: Side::new(move || done(ours.seal_1mib(black_box(&plaintext)))),
            peer: Side::new(move || done(raw.seal(black_box(&theirs)))),
        })
    }

    /// Where the plaintext lies, beside the same by the cipher alone.
    fn seal_in_place(&self) -> Result<Case, Idle> {
        let (ours, filler) = (Rc::clone(&self.ours), Rc::clone(&self.ours));
        let mut raw = Raw::new().ok_or(Idle)?;
        let (plaintext, theirs) = (plaintext(MIB), plaintext(MIB));
        Ok(Case {
            name: "seal 1 MiB in place".to_owned(),
            peer_name: Raw::NAME,
            goal: Some(Goal::of(0.95)),
            bytes: Some(MIB as u64),
            ours: Side::prepared(
                move || done(filler.buffer(&plaintext)),
                move |buffer| done(ours.seal_in_place(buffer)),
            ),
            peer: Side::prepared(
                move || theirs.to_vec(),
                move |buffer| done(raw.seal_in_place(buffer)),
            ),
        })
    }

    /// A long record beside a short one.
    fn rewrap(&self) -> Result<Case, Idle> {
        let (ours, again) = (Rc::clone(&self.ours), Rc::clone(&self.ours));
        let mut long = ours.seal_1mib(&plaintext(MIB)).ok_or(Idle)?;
        let mut short = ours.seal_fresh(&plaintext(KIB)).ok_or(Idle)?;
        Ok(Case {
            name: "rewrap 1 MiB".to_owned(),
            peer_name: "ours, rewrap 1 KiB",
            goal: Some(Goal::of(SAME)),
            bytes: None,
            ours: Side::new(move || done(ours.rewrap(black_box(&mut long)))),
            peer: Side::new(move || done(again.rewrap(black_box(&mut short)))),
        })
    }

    /// From the same reader to the same writer as by the cipher alone.
    fn stream_raw(&self) -> Result<Case, Idle> {
        let (ours, mut raw) = (Rc::clone(&self.ours), Raw::new().ok_or(Idle)?);
        let plaintext = || LongPlaintext::new(STREAM);
        Ok(Case {
            name: "stream 1 GiB".to_owned(),
            peer_name: Raw::STREAM,
            goal: Some(Goal::of(0.80)),
            bytes: Some(STREAM),
            ours: Side::new(move || done(ours.stream_seal(plaintext(), Nowhere))),
            peer: Side::new(move || done(raw.stream_seal(plaintext(), Nowhere))),
        })
    }

    /// Beside the library that people take for long files.
    fn stream_age(&self) -> Result<Case, Idle> {
        let (ours, age) = (Rc::clone(&self.ours), Age::new());
        let plaintext = || LongPlaintext::new(SHORTER_STREAM);
        Ok(Case {
            name: "stream 64 MiB".to_owned(),
            peer_name: Age::NAME,
            goal: None,
            bytes: Some(SHORTER_STREAM),
            ours: Side::new(move || done(ours.stream_seal(plaintext(), Nowhere))),
            peer: Side::new(move || done(age.stream_seal(plaintext(), Nowhere))),
        })
    }
}

fn plaintext(size: usize) -> Rc<[u8]> {
    vec![b'a'; size].into()
}

/// What was worked for; a side that fails in the middle must not look fast.
fn done<T>(result: Option<T>) -> T {
    result.expect("both sides did this work before")
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a side of a case does not do its work: there is nothing to compare")
    }
}

impl Error for Idle {}
