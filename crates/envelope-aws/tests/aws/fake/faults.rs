//! Failures that a test plants.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Bytes, Frame, SizeHint};
use serde_json::Value;

/// What goes wrong with a call.
#[derive(Clone)]
pub(crate) enum Fault {
    /// An error of this type, and nothing done.
    Refuse(&'static str),
    /// This status and text, and nothing done.
    Answer(u16, String),
    /// The right answer, changed. The call takes effect.
    Edit(fn(&mut Value)),
    /// No answer. The call takes effect.
    Hang,
    /// The connection ends. The call takes effect.
    Disconnect,
    /// The answer stops in its middle. The call takes effect.
    StallInBody,
}

#[derive(Default)]
pub(super) struct Faults(Vec<(&'static str, usize, Fault)>);

impl Faults {
    pub(super) fn plant(&mut self, action: &'static str, times: usize, fault: Fault) {
        self.0.push((action, times, fault));
    }

    pub(super) fn take(&mut self, action: &str) -> Option<Fault> {
        let mut planted = self.0.iter_mut();
        let (_, times, fault) = planted.find(|(name, times, _)| *name == action && *times > 0)?;
        *times -= 1;
        Some(fault.clone())
    }
}

/// The status with which AWS KMS answers an error of this type.
pub(super) fn status(name: &str) -> u16 {
    match name {
        "KMSInternalException" | "KeyUnavailableException" | "InternalFailure" => 500,
        "DependencyTimeoutException" | "ServiceUnavailable" => 503,
        _ => 400,
    }
}

/// An answer's body: whole, or its first half and then nothing.
pub(crate) struct Body {
    data: Option<Bytes>,
    length: usize,
}

impl Body {
    pub(super) fn whole(text: String) -> Self {
        let length = text.len();
        Self {
            data: Some(text.into()),
            length,
        }
    }

    pub(super) fn stalling(mut text: String) -> Self {
        let length = text.len();
        text.truncate(length / 2);
        Self {
            data: Some(text.into()),
            length,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(data) = self.data.take() else {
            return if self.length == 0 {
                Poll::Ready(None)
            } else {
                Poll::Pending
            };
        };
        self.length -= data.len();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}
