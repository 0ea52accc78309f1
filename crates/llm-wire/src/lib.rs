//! OpenAI's chat completions on the wire, requests and answers, redacted in place.
//!
//! A document is read strictly, walked by its structure and written anew: every string at any
//! depth meets the policy ([`strongroom_pii::Policy`]), whether its field is known here or not.
//! What cannot be redacted is refused, with the place and never the value: images, audio and
//! files, and personal data as the name of a member, as an identifier or as a number. In JSON that is a
//! text, as a tool call's arguments are, a number becomes a label.
//!
//! Pure: no socket, no clock. It reads whole bodies; streamed answers are refused.
//!
//! ```
//! use strongroom_llm_wire::ChatRequest;
//!
//! let body = br#"{"model":"gpt-4o","messages":[{"role":"user","content":[
//!     {"type":"image_url","image_url":{"url":"https://example.com/passport.png"}}]}]}"#;
//! let policy = strongroom_pii::Policy::strict();
//! let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
//! let refused = ChatRequest::parse(body)?.redact(&policy, &tenant).unwrap_err();
//! assert_eq!(refused.code(), "field_refused");
//! assert_eq!(refused.field(), Some("messages[0].content[0].image_url"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Security
//! The guard is no better than the policy's recognizers. A value that is split over two parts or
//! two messages, or written in an encoding other than JSON's escapes, is not found.
#![forbid(unsafe_code)]

mod answer;
mod error;
mod escape;
mod findings;
mod guard;
mod identifier;
mod message;
mod names;
mod path;
mod record;
mod redactor;
mod request;
mod restored;
mod value;

pub use answer::{ChatAnswer, RedactedAnswer};
pub use error::WireError;
pub use findings::{Findings, Tally};
pub use guard::Guard;
pub use request::{ChatRequest, MAX_MESSAGES, RedactedRequest};
pub use restored::RestoredAnswer;
pub use value::MAX_DEPTH;
