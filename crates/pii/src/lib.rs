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

mod card;
mod channel;
mod class;
mod detection;
mod document;
mod email;
mod hint;
mod iban;
mod ip;
mod number;
mod page;
mod phone;
mod policy;
mod redaction;
mod scan;
mod ssn;

pub use channel::{Channel, ChannelError, Mode, ModeError};
pub use class::Class;
pub use detection::{Confidence, Evidence, Match};
pub use document::PolicyFault;
pub use policy::{Policy, PolicyError};
pub use redaction::{Blocked, Finding, Redaction};
pub use scan::scan;
