//! What the gates need to know of a route.

use strongroom_tenancy::Capability;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the route is public.
    Nothing,
    /// A proof in its body, which the route checks itself.
    Proof,
    /// Any accepted credential.
    Caller,
    /// This capability.
    Capability(Capability),
}

/// Whether a route has side effects: what has begun one comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only looks.
    Read,
    /// It changes something, or calls out.
    Write,
}

/// What the gates need to know of a route.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// What it asks of its caller.
    pub need: Need,
    /// Whether it has side effects.
    pub effect: Effect,
    /// The kind of its audit event.
    pub action: &'static str,
}
