//! The local provider: wrapping keys in a file.

#[cfg(feature = "std")]
mod file;
#[cfg(feature = "std")]
pub(crate) mod keyring;
#[cfg(feature = "std")]
mod kms;
pub(crate) mod wrap;

#[cfg(feature = "std")]
pub use keyring::KeyringError;
#[cfg(feature = "std")]
pub use kms::LocalKms;
