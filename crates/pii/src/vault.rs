//! The vault: where reversible redaction keeps values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use secrecy::{ExposeSecret, SecretString};
use strongroom_tenancy::TenantId;

use crate::{Channel, Class, Token};

/// What a kept value belongs to. A vault binds all of it to the value: under another tenant, class,
/// channel or token nothing opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is.
    pub class: Class,
    /// Where it was found.
    pub channel: Channel,
    /// What stands for it.
    pub token: Token,
}

/// Keeps values for tokens.
///
/// Implementations keep a value, sealed, before [`keep`](Self::keep) returns; or take it there, and
/// have it kept before whoever called the redactor hands the text on, so that no text leaves whose
/// tokens nobody can restore. They are called from several threads at once.
pub trait Vault: Send + Sync {
    /// Keeps a value.
    ///
    /// # Errors
    /// [`VaultError`]; the text is then not redacted, and goes nowhere.
    fn keep(&self, binding: &Binding, value: &SecretString) -> Result<(), VaultError>;

    /// Gives a value back; `None` when nothing is kept under exactly this binding.
    ///
    /// # Errors
    /// [`VaultError`] when the vault cannot say.
    fn open(&self, binding: &Binding) -> Result<Option<SecretString>, VaultError>;
}

/// The vault does not keep or give back. It says no more: whoever runs it has logged why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vault is not available")]
pub struct VaultError;

/// A vault that lasts as long as the process: for one conversation, for the command line, for tests.
#[derive(Default)]
pub struct MemoryVault {
    kept: Mutex<BTreeMap<Token, (Binding, SecretString)>>,
}

impl MemoryVault {
    /// An empty vault.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many values it keeps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.lock().map_or(0, |kept| kept.len())
    }

    /// Whether it keeps none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryVault({} values)", self.len())
    }
}

impl Vault for MemoryVault {
    fn keep(&self, binding: &Binding, value: &SecretString) -> Result<(), VaultError> {
        let mut kept = self.kept.lock().map_err(|_| VaultError)?;
        let value = SecretString::from(value.expose_secret().to_owned());
        kept.insert(binding.token.clone(), (binding.clone(), value));
        Ok(())
    }

    fn open(&self, binding: &Binding) -> Result<Option<SecretString>, VaultError> {
        let kept = self.kept.lock().map_err(|_| VaultError)?;
        let found = kept
            .get(&binding.token)
            .filter(|(known, _)| known == binding);
        Ok(found.map(|(_, value)| SecretString::from(value.expose_secret().to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_whole_binding_alone() {
        let vault = MemoryVault::new();
        let binding = Binding {
            tenant: TenantId::PLATFORM,
            class: Class::Email,
            channel: Channel::Prompt,
            token: Token::from_random(&Class::Email, &[7; 9]),
        };
        let value = SecretString::from("ann@example.com");
        vault.keep(&binding, &value).expect("in memory");
        let opened = |binding: &Binding| {
            vault
                .open(binding)
                .expect("in memory")
                .map(|v| v.expose_secret().to_owned())
        };
        assert_eq!(opened(&binding).as_deref(), Some("ann@example.com"));
        let other_tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002"
            .parse()
            .expect("a tenant");
        for other in [
            Binding {
                tenant: other_tenant,
                ..binding.clone()
            },
            Binding {
                class: Class::Phone,
                ..binding.clone()
            },
            Binding {
                channel: Channel::Output,
                ..binding.clone()
            },
            Binding {
                token: Token::from_random(&Class::Email, &[8; 9]),
                ..binding.clone()
            },
        ] {
            assert_eq!(opened(&other), None, "{other:?}");
        }
        assert_eq!(format!("{vault:?}"), "MemoryVault(1 values)");
    }
}
