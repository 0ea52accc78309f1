//! What a policy makes of a text.

use std::fmt;
use std::ops::Range;

use crate::{Channel, Class, Confidence, EvidenceSet, Mode, Operator, VaultError};

/// A text under a policy, and what was found on the way.
#[derive(Clone, PartialEq)]
pub struct Redaction {
    /// The text, with what stands for each value that was taken out.
    pub text: String,
    /// What was found, in order of position. Findings below their rule's threshold, and those of
    /// classes that are off, are absent.
    pub findings: Vec<Finding>,
    /// The hash of the policy that was applied.
    pub policy_hash: [u8; 32],
}

/// One thing that was found; never the value itself.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub class: Class,
    /// Where it was in the text as given.
    pub span: Span,
    /// How sure the recogniser was.
    pub confidence: Confidence,
    /// Why.
    pub evidence: EvidenceSet,
    /// What was done.
    pub action: Mode,
    /// What stands in its place; `None` when the text is unchanged.
    pub operator: Option<Operator>,
    /// Which rule decided, counted from 0; `None` when no rule reached the finding.
    pub rule: Option<usize>,
}

/// Where something was in a text, in the units of three worlds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// UTF-8 bytes, on character boundaries: Rust, Go.
    pub bytes: Range<usize>,
    /// Unicode code points: Python.
    pub chars: Range<usize>,
    /// UTF-16 code units: JavaScript, Java, C#.
    pub utf16: Range<usize>,
}

/// The policy refuses the text as a whole, because it holds this class on this channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("blocked by policy: {class} on channel {channel}")]
pub struct Blocked {
    /// What was found.
    pub class: Class,
    /// Where the text was going.
    pub channel: Channel,
}

/// A text is not redacted, and must go nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// The policy refuses it.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The vault does not keep a value.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A rule is reversible, and there is no vault.
    #[error("a rule is reversible, and no vault was given")]
    NoVault,
    /// A rule has the operator `hmac`, and there is no key.
    #[error("a rule has the operator hmac, and no linking key was given")]
    NoLinkingKey,
    /// The operating system gives no random bytes.
    #[error("no random bytes")]
    Randomness,
}

impl fmt::Debug for Redaction {
    /// Without the text: what is flagged or unknown is still in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction")
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

/// How far a text has been read, in three units.
#[derive(Clone, Copy, Default)]
pub(crate) struct Position {
    bytes: usize,
    chars: usize,
    utf16: usize,
}

impl Position {
    /// Reads a piece; says where it was.
    pub(crate) fn read(&mut self, piece: &str) -> Span {
        let from = *self;
        self.bytes += piece.len();
        if piece.is_ascii() {
            self.chars += piece.len();
            self.utf16 += piece.len();
        } else {
            let chars = piece.chars().count();
            self.chars += chars;
            // Characters beyond the first plane take four bytes in UTF-8 and two units in UTF-16.
            self.utf16 += chars + piece.bytes().filter(|b| *b >= 0xF0).count();
        }
        Span {
            bytes: from.bytes..self.bytes,
            chars: from.chars..self.chars,
            utf16: from.utf16..self.utf16,
        }
    }
}

impl Span {
    /// The same, up to where a longer text has been read.
    pub(crate) fn extend(&mut self, to: &Self) {
        self.bytes.end = to.bytes.end;
        self.chars.end = to.chars.end;
        self.utf16.end = to.utf16.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_in_three_units() {
        let mut position = Position::default();
        position.read("é😀");
        let span = position.read("a話");
        assert_eq!((span.bytes, span.chars, span.utf16), (6..10, 2..4, 3..5));
    }
}
