//! `keyring-new` and `keyring-rotate`: a tenant's keys.

use clap::Args;
use strongroom::envelope::{KeyAdmin as _, KeyRef, LocalKms};

use super::keys::{Keyring, kms_failure};
use crate::failure::Failure;
use crate::output::Output;
use crate::report::Report;

pub(super) const NEW_HELP: &str = "\
The directory is made if there is none. In it, a tenant's keys lie in clear in <tenant>.keyring,
readable by its owner alone: guard that file, and its backups, as what the keys open. It is used
only while nobody else can read it or write its directory.

Examples:
  strongroom envelope keyring-new --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002
  strongroom envelope keyring-new --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --key escrow";

pub(super) const ROTATE_HELP: &str = "\
Nothing is sealed anew: what is under an older version opens as before, until the key is destroyed.
`strongroom envelope rewrap` brings a record under the new version.

Examples:
  strongroom envelope keyring-rotate --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002";

/// One key of a tenant.
#[derive(Args)]
pub(crate) struct Key {
    #[command(flatten)]
    ring: Keyring,
    /// The key's name: 1 to 128 characters of A-Z a-z 0-9 . _ - : /
    #[arg(long = "key", value_name = "NAME", default_value = "root")]
    name: KeyRef,
}

pub(super) fn create(key: &Key, output: Output) -> Result<(), Failure> {
    let directory = &key.ring.directory;
    let kms = LocalKms::create(directory)
        .map_err(|error| Failure::unusable(format!("{}: {error}", directory.display())))?;
    // A keyring that is there must be sound: the call below would only say that it is not.
    let kms = match kms.path(&key.ring.tenant).try_exists() {
        Ok(false) => kms,
        _ => key.ring.open()?,
    };
    pollster::block_on(kms.create(&key.ring.tenant, &key.name))
        .map_err(|error| kms_failure(error, key.name.as_str()))?;
    report(&kms, key, 1, output)
}

pub(super) fn rotate(key: &Key, output: Output) -> Result<(), Failure> {
    let kms = key.ring.open()?;
    let version = pollster::block_on(kms.rotate(&key.ring.tenant, &key.name))
        .map_err(|error| kms_failure(error, key.name.as_str()))?;
    report(&kms, key, version, output)
}

fn report(kms: &LocalKms, key: &Key, version: u32, output: Output) -> Result<(), Failure> {
    Report::new()
        .with_text("keyring", kms.path(&key.ring.tenant).display())
        .with_text("tenant", key.ring.tenant)
        .with_text("key", &key.name)
        .with("version", version)
        .print(output)
}
