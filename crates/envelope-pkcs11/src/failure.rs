//! What the token's return codes mean (PKCS#11 3.1, section 5.1).

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};
use strongroom_envelope::KmsError;

/// `CKR_TOKEN_RESOURCE_EXCEEDED`, which `cryptoki` has no name for.
const RESOURCE_EXCEEDED: RvError = RvError::UnknownErrorCode(0x201);

/// Why work on a session failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Found out here, or what a return code meant where it came.
    Kms(KmsError),
    /// The token's answer.
    Token(Error),
}

/// What is to become of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// It goes on.
    Kept,
    /// It is closed; the call may have been carried out.
    Lost,
    /// It was not fit for the call, which was not carried out; another session may.
    Unfit,
    /// It was gone before the call, and its handle may be another session's by now.
    Gone,
}

impl Failure {
    /// The session is not logged in, so that it cannot see what is there.
    pub(crate) const NOT_LOGGED_IN: Self = Self::Token(Error::Pkcs11(
        RvError::UserNotLoggedIn,
        Function::GetSessionInfo,
    ));

    pub(crate) const fn kms(&self) -> KmsError {
        match self {
            Self::Kms(error) => *error,
            Self::Token(Error::Pkcs11(code, _)) => meaning(*code).0,
            Self::Token(_) => KmsError::Unavailable,
        }
    }

    pub(crate) const fn session(&self) -> Session {
        match self {
            Self::Kms(_) => Session::Kept,
            Self::Token(Error::Pkcs11(code, _)) => meaning(*code).1,
            Self::Token(_) => Session::Lost,
        }
    }

    /// Whether this is how a token says that a ciphertext is not authentic. PKCS#11 2.40 names no
    /// code for that; a token in trouble may answer the same.
    pub(crate) const fn may_be_verdict(&self) -> bool {
        matches!(
            self,
            Self::Token(Error::Pkcs11(
                RvError::GeneralError
                    | RvError::FunctionFailed
                    | RvError::ArgumentsBad
                    | RvError::DataInvalid
                    | RvError::DataLenRange
                    | RvError::SignatureInvalid
                    | RvError::VendorDefined(_)
                    | RvError::UnknownErrorCode(_),
                Function::Decrypt
            ))
        )
    }

    /// Whether the token refused the PIN: to try again would lock it.
    pub(crate) const fn is_pin_refused(&self) -> bool {
        matches!(
            self,
            Self::Token(Error::Pkcs11(
                RvError::PinIncorrect
                    | RvError::PinInvalid
                    | RvError::PinLenRange
                    | RvError::PinExpired
                    | RvError::PinLocked,
                _
            ))
        )
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

impl From<KmsError> for Failure {
    fn from(error: KmsError) -> Self {
        Self::Kms(error)
    }
}

/// A code that is not listed is a token in trouble: its session is not used again.
const fn meaning(code: RvError) -> (KmsError, Session) {
    match code {
        RvError::SessionHandleInvalid
        | RvError::SessionClosed
        | RvError::CryptokiNotInitialized => (KmsError::Unavailable, Session::Gone),
        RvError::UserNotLoggedIn | RvError::OperationActive => {
            (KmsError::Unavailable, Session::Unfit)
        }
        RvError::PinIncorrect
        | RvError::PinInvalid
        | RvError::PinLenRange
        | RvError::PinExpired
        | RvError::PinLocked
        | RvError::UserPinNotInitialized
        | RvError::UserTypeInvalid
        | RvError::UserAnotherAlreadyLoggedIn
        | RvError::UserTooManyTypes => (KmsError::Denied, Session::Lost),
        RvError::ActionProhibited
        | RvError::AttributeReadOnly
        | RvError::FunctionRejected
        | RvError::SessionReadOnly
        | RvError::TokenWriteProtected => (KmsError::Denied, Session::Kept),
        // Found a moment ago, and gone.
        RvError::KeyHandleInvalid | RvError::ObjectHandleInvalid => {
            (KmsError::NotFound, Session::Kept)
        }
        RvError::KeyFunctionNotPermitted => (KmsError::Disabled, Session::Kept),
        RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange => {
            (KmsError::ContextMismatch, Session::Kept)
        }
        RvError::SessionCount | RESOURCE_EXCEEDED => (KmsError::Throttled, Session::Lost),
        // The token is full: its sessions are none the worse.
        RvError::DeviceMemory => (KmsError::Unavailable, Session::Kept),
        _ => (KmsError::Unavailable, Session::Lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: RvError) -> (KmsError, Session) {
        let failure = Failure::from(Error::Pkcs11(code, Function::Decrypt));
        (failure.kms(), failure.session())
    }

    #[test]
    fn codes_mean_what_a_caller_can_act_on() {
        for (code, error, session) in [
            (
                RvError::SessionHandleInvalid,
                KmsError::Unavailable,
                Session::Gone,
            ),
            (RvError::SessionClosed, KmsError::Unavailable, Session::Gone),
            (
                RvError::UserNotLoggedIn,
                KmsError::Unavailable,
                Session::Unfit,
            ),
            (
                RvError::CryptokiNotInitialized,
                KmsError::Unavailable,
                Session::Gone,
            ),
            (RvError::DeviceRemoved, KmsError::Unavailable, Session::Lost),
            (RvError::DeviceError, KmsError::Unavailable, Session::Lost),
            (
                RvError::TokenNotPresent,
                KmsError::Unavailable,
                Session::Lost,
            ),
            (RvError::GeneralError, KmsError::Unavailable, Session::Lost),
            (
                RvError::UnknownErrorCode(0x42),
                KmsError::Unavailable,
                Session::Lost,
            ),
            (RvError::DeviceMemory, KmsError::Unavailable, Session::Kept),
            (RvError::PinIncorrect, KmsError::Denied, Session::Lost),
            (RvError::PinLocked, KmsError::Denied, Session::Lost),
            (RvError::ActionProhibited, KmsError::Denied, Session::Kept),
            (
                RvError::TokenWriteProtected,
                KmsError::Denied,
                Session::Kept,
            ),
            (RvError::KeyHandleInvalid, KmsError::NotFound, Session::Kept),
            (
                RvError::KeyFunctionNotPermitted,
                KmsError::Disabled,
                Session::Kept,
            ),
            (
                RvError::EncryptedDataInvalid,
                KmsError::ContextMismatch,
                Session::Kept,
            ),
            (
                RvError::EncryptedDataLenRange,
                KmsError::ContextMismatch,
                Session::Kept,
            ),
            (RvError::SessionCount, KmsError::Throttled, Session::Lost),
            (RESOURCE_EXCEEDED, KmsError::Throttled, Session::Lost),
        ] {
            assert_eq!(of(code), (error, session), "{code:?}");
        }
        let elsewhere = Failure::from(Error::NullFunctionPointer);
        assert_eq!(elsewhere.kms(), KmsError::Unavailable);
    }

    #[test]
    fn a_refused_pin_is_told_from_everything_else() {
        for (code, is_refused) in [
            (RvError::PinIncorrect, true),
            (RvError::PinLocked, true),
            (RvError::PinExpired, true),
            (RvError::UserNotLoggedIn, false),
            (RvError::DeviceRemoved, false),
        ] {
            let failure = Failure::from(Error::Pkcs11(code, Function::Login));
            assert_eq!(failure.is_pin_refused(), is_refused, "{code:?}");
        }
    }
}
