//! The token: a module, the slot that it is in, and the PIN.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::MechanismType;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use strongroom_envelope::KmsError;

use crate::failure::Failure;
use crate::pin::Pin;

/// A PKCS#11 token and the right to use it.
///
/// Clones share the PIN, and take turns: a change waits for the calls under way, and they for it.
/// Give one token's clones to all that use it in a process. When the token refuses it, no clone tries it again: tokens lock themselves
/// after a few attempts. Load the token anew with the right one.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    module: Pkcs11,
    path: PathBuf,
    label: String,
    pin: Pin,
    is_pin_refused: AtomicBool,
    in_use: RwLock<()>,
}

/// The right to work on the token for a while: with others that only read, or alone.
pub(crate) struct Turn<'t> {
    _shared: Option<RwLockReadGuard<'t, ()>>,
    _alone: Option<RwLockWriteGuard<'t, ()>>,
}

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The module cannot be loaded, or is none.
    #[error("pkcs11 module: {0}")]
    Module(#[source] Error),
    /// No slot holds a token with this label.
    #[error("pkcs11 token: no token has this label")]
    NotFound,
    /// More than one slot does.
    #[error("pkcs11 token: several tokens have this label")]
    Ambiguous,
    /// The token has no AES-GCM, or makes no AES keys.
    #[error("pkcs11 token: no CKM_AES_GCM, or no CKM_AES_KEY_GEN")]
    Mechanism,
    /// No session could be had: `Denied` when the PIN was refused, `Unavailable` otherwise.
    #[error("pkcs11 session: {0}")]
    Session(#[from] KmsError),
    /// The operating system gave no thread.
    #[error("pkcs11: no thread")]
    Thread,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing that outlives it: no object is made, changed or destroyed.
    ReadOnly,
    ReadWrite,
}

impl Token {
    /// Loads a module (a shared library) and finds the token with this label in it.
    ///
    /// The PIN is first used when [`Pkcs11Kms`](crate::Pkcs11Kms) or
    /// [`Pkcs11Admin`](crate::Pkcs11Admin) connects. The call blocks for as long as the module
    /// does.
    ///
    /// # Errors
    /// [`TokenError`] when the module cannot be loaded, no token or more than one has the label,
    /// or the token cannot do AES-GCM.
    ///
    /// # Security
    /// The module runs in this process and sees what it sees. Logging in is the process's, not the
    /// session's: whatever else in it uses the same module can use the token's keys.
    pub fn load(module: impl AsRef<Path>, label: &str, pin: Pin) -> Result<Self, TokenError> {
        let path = module.as_ref().to_owned();
        let module = Pkcs11::new(&path).map_err(TokenError::Module)?;
        let token = Self(Arc::new(Inner {
            module,
            path,
            label: label.to_owned(),
            pin,
            is_pin_refused: AtomicBool::new(false),
            in_use: RwLock::default(),
        }));
        token.initialize().map_err(TokenError::Module)?;
        let slot = token.slot()?;
        let mechanisms = token.0.module.get_mechanism_list(slot);
        let mechanisms = mechanisms.map_err(TokenError::Module)?;
        let needed = [MechanismType::AES_GCM, MechanismType::AES_KEY_GEN];
        if !needed.iter().all(|one| mechanisms.contains(one)) {
            return Err(TokenError::Mechanism);
        }
        Ok(token)
    }

    /// Waits for a turn. SoftHSM2 calls itself safe for threads, yet while one thread writes an
    /// object others fail to read and write; so who changes something does so alone.
    pub(crate) fn turn(&self, access: Access) -> Turn<'_> {
        let lock = &self.0.in_use;
        match access {
            Access::ReadOnly => Turn {
                _shared: Some(lock.read().unwrap_or_else(PoisonError::into_inner)),
                _alone: None,
            },
            Access::ReadWrite => Turn {
                _shared: None,
                _alone: Some(lock.write().unwrap_or_else(PoisonError::into_inner)),
            },
        }
    }

    /// Opens a session and logs in. Whoever has it closes it: one that is gone must not be closed,
    /// lest the next one with its number is.
    pub(crate) fn open_session(&self, access: Access) -> Result<Session, Failure> {
        if self.0.is_pin_refused.load(Ordering::Acquire) {
            return Err(KmsError::Denied.into());
        }
        // Whoever shares the module may have finalized it.
        self.initialize()?;
        let slot = self.slot().map_err(|_| KmsError::Unavailable)?;
        let session = match access {
            Access::ReadOnly => self.0.module.open_ro_session_no_drop(slot)?,
            Access::ReadWrite => self.0.module.open_rw_session_no_drop(slot)?,
        };
        match session.login(UserType::User, Some(self.0.pin.expose())) {
            // Another session of this process has, for all of them.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => {
                let failure = Failure::from(error);
                if failure.is_pin_refused() {
                    self.0.is_pin_refused.store(true, Ordering::Release);
                }
                drop(session.close());
                Err(failure)
            }
        }
    }

    fn initialize(&self) -> Result<(), Error> {
        let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match self.0.module.initialize(threads) {
            Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            result => result,
        }
    }

    /// The slot that the token is in: its number may be another after each start.
    fn slot(&self) -> Result<Slot, TokenError> {
        let slots = self.0.module.get_slots_with_initialized_token();
        let mut found = None;
        for slot in slots.map_err(TokenError::Module)? {
            let info = self.0.module.get_token_info(slot);
            if info.is_ok_and(|info| info.label() == self.0.label) && found.replace(slot).is_some()
            {
                return Err(TokenError::Ambiguous);
            }
        }
        found.ok_or(TokenError::NotFound)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("module", &self.0.path)
            .field("label", &self.0.label)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_module_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path(), Path::new("/nowhere/module.so")] {
            let refused = Token::load(path, "strongroom", Pin::new("1234".into()));
            assert!(matches!(refused, Err(TokenError::Module(_))), "{path:?}");
        }
    }
}
