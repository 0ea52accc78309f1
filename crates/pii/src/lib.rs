//! Detection and redaction of personal data under a policy by tenant, class and channel.
//!
//! [`scan`] finds; a [`Policy`] decides what becomes of the findings. One candidate scan and
//! hand-written verifiers, whose rules are the issuers' own (checksums, lengths, number ranges):
//! no regular expression, no model, linear time on any input. Pure: no clock, file or network.
//! The policy's format, the confidences and the precedence are `docs/spec/pii-policy.md`.
//!
//! ```
//! use strongroom_pii::{Class, scan};
//!
//! let text = "card 4111 1111 1111 1111, order 4111 1111 1111 1112";
//! let found = scan(text);
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].class, Class::Card);
//! assert_eq!(&text[found[0].range.clone()], "4111 1111 1111 1111");
//! ```
#![forbid(unsafe_code)]

mod channel;
mod class;
mod custom;
mod detection;
mod detector;
mod document;
mod engine;
mod ids;
mod normal;
mod operator;
mod policy;
mod recognisers;
mod redaction;
mod redactor;
mod restore;
mod scan;
mod secrets;
mod stream;
mod structured;
mod token;
mod vault;

pub use channel::{Channel, ChannelError, Mode, ModeError};
pub use class::{Class, ClassError, CustomClass};
pub use custom::{Checksum, CustomError, CustomRule, Reading, Recognizer};
pub use detection::{Confidence, Evidence, EvidenceSet, Match};
pub use detector::{Detector, DetectorBuilder};
pub use document::PolicyFault;
pub use operator::Operator;
pub use policy::{Decision, Policy, PolicyError};
pub use redaction::{Blocked, Finding, RedactError, Redaction, Span};
pub use redactor::{LinkingKey, RedactionStream, Redactor};
pub use restore::{Destination, RestorePolicy, Restored, Restorer};
pub use scan::{scan, scan_from};
pub use structured::{StructureError, is_named_member, is_naming_member};
pub use token::{Token, TokenError};
pub use vault::{Binding, MemoryVault, Vault, VaultError};
