//! What a recogniser proposes, before the words around it are weighed.

use crate::detection::EvidenceSet;

/// Which class: a built-in one by its number, or one of the user's by its place after them.
pub(crate) type ClassIndex = u16;

/// A span that may be of a class.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) class: ClassIndex,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Log-odds of shape, checksum and numbering, in tenths.
    pub(crate) base: i16,
    pub(crate) evidence: EvidenceSet,
    /// Among overlapping candidates the lower tier wins, whatever the others' confidence.
    pub(crate) tier: Tier,
    /// Whether the words around it count.
    pub(crate) weighed: bool,
    /// What goes on past the end, for values without a bound.
    pub(crate) tail: Tail,
}

/// A candidate, and the anchor at which it was found.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) candidate: Candidate,
    pub(crate) anchor: usize,
}

impl std::ops::Deref for Pending {
    type Target = Candidate;

    fn deref(&self) -> &Candidate {
        &self.candidate
    }
}

/// How much of what is inside a span its class explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// A secret as a whole, whatever it is made of.
    Secret,
    /// What a secret's name was given, if nothing says more.
    Assigned,
    /// What holds other forms in itself: an e-mail address, a web address.
    Holder,
    /// A number, a code, a date.
    Value,
    /// What only the words around it tell.
    Told,
}

/// What goes on past a span's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing.
    None,
    /// Every byte of these kinds that follows.
    Run(u16),
    /// Everything to the line that ends a PEM block, or to the end of the text.
    Pem,
    /// Everything to the line that ends a PuTTY key, or to the end of the text.
    Putty,
    /// What a JSON Web Token is made of.
    Jwt,
}
