//! What every verb is told: whose keys, which of them, and what a record is about.

use std::io;
use std::path::PathBuf;

use clap::Args;
use strongroom::envelope::{
    EncryptionContext, KeyRef, KeyringError, KmsError, LocalKms, Recipient,
};
use strongroom::tenancy::TenantId;

use super::record::Record;
use super::threads::Threads;
use crate::failure::Failure;

/// A tenant's keyring.
#[derive(Args)]
pub(super) struct Keyring {
    /// The directory of keyrings, which has one file for each tenant
    #[arg(long = "keyring", value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// The tenant
    #[arg(long, value_name = "UUID")]
    pub(super) tenant: TenantId,
}

impl Keyring {
    /// Opens the directory, if the tenant has a sound keyring there.
    pub(super) fn open(&self) -> Result<LocalKms, Failure> {
        let directory = self.directory.display();
        let kms = LocalKms::open(&self.directory)
            .map_err(|error| Failure::unusable(format!("{directory}: {error}")))?;
        match kms.check(&self.tenant) {
            Ok(()) => Ok(kms),
            Err(KeyringError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(Failure::unusable(format!(
                    "{directory}: tenant {} has no keyring here; `strongroom envelope keyring-new` \
                     makes one",
                    self.tenant
                )))
            }
            Err(error) => {
                let file = kms.path(&self.tenant);
                Err(Failure::unusable(format!("{}: {error}", file.display())))
            }
        }
    }
}

/// The keys of a tenant that a record is sealed to, or may be opened with.
#[derive(Args)]
pub(super) struct Keys {
    #[command(flatten)]
    pub(super) ring: Keyring,
    /// A key's name; repeat for several, of which any one opens the record
    #[arg(long = "key", value_name = "NAME", default_value = "root")]
    pub(super) names: Vec<KeyRef>,
}

impl Keys {
    /// The record that these keys open, or to which they seal.
    pub(super) fn record<'a>(
        &'a self,
        kms: &'a LocalKms,
        about: &About,
        threads: Threads,
    ) -> Result<Record<'a>, Failure> {
        Ok(Record {
            recipients: recipients(kms, &self.names),
            tenant: &self.ring.tenant,
            context: about.context()?,
            threads,
        })
    }
}

/// These keys of a keyring.
pub(super) fn recipients<'a>(
    kms: &'a LocalKms,
    names: impl IntoIterator<Item = &'a KeyRef>,
) -> Vec<Recipient<'a>> {
    let names = names.into_iter();
    names.map(|name| Recipient::new(kms, name)).collect()
}

/// What a record is about.
#[derive(Args)]
pub(super) struct About {
    /// What the record is about, as name=value; repeat for several. The same pairs open it again
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) pairs: Vec<(String, String)>,
}

impl About {
    pub(super) fn context(&self) -> Result<EncryptionContext, Failure> {
        EncryptionContext::new(self.pairs.iter().cloned()).map_err(Failure::unusable)
    }
}

/// Why the keyring did not do as asked, with the key's name.
pub(super) fn kms_failure(error: KmsError, key: &str) -> Failure {
    Failure::unusable(format!("key {key}: {error}"))
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}
