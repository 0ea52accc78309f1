//! What is shown: the key of either kind, as the checks see it.

use crate::{ApiKey, Environment, KeyId};

/// A key that was shown, of whatever kind: [`ApiKey`], or a legacy one.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub(crate) id: &'a KeyId,
    pub(crate) text: &'a str,
    /// A legacy key does not say.
    pub(crate) environment: Option<Environment>,
}

impl<'a> From<&'a ApiKey> for Shown<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id(),
            text: key.expose(),
            environment: Some(key.environment()),
        }
    }
}

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shown({})", self.id)
    }
}
