//! The local provider: wrapping keys in files, one for each tenant.

mod file;
pub(crate) mod keyring;
mod kms;

pub use keyring::KeyringError;
pub use kms::LocalKms;
