//! `shred`.

use clap::Args;
use strongroom::envelope::{DEFAULT_BACKUP_RETENTION_DAYS, KeyAdmin as _, KeyRef, Kms as _};

use super::keys::{Keyring, kms_failure};
use crate::clock;
use crate::failure::Failure;
use crate::output::Output;
use crate::report::Report;

const DAY: u64 = 24 * 60 * 60;

pub(super) const HELP: &str = "\
Every version of the key is destroyed, for good; a tombstone keeps its name from being used again.
What is sealed under another key as well still opens with that one.

A backup of the keyring brings the key back: until backups_gone_at, what was sealed is not gone.
Programs that hold a data key in memory keep it until they end, and the file system may keep the
old keyring's blocks: its partition should be encrypted.

Examples:
  strongroom envelope shred --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --key user:17 --yes-destroy user:17 --backup-days 35 --json";

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    ring: Keyring,
    /// The key's name
    #[arg(long, value_name = "NAME")]
    key: KeyRef,
    /// The key's name again: without it nothing is destroyed
    #[arg(long, value_name = "NAME")]
    yes_destroy: Option<KeyRef>,
    /// For how many days backups of the keyring are kept
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_BACKUP_RETENTION_DAYS,
          value_parser = clap::value_parser!(u32).range(..=36_500))]
    backup_days: u32,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    let (tenant, key) = (&options.ring.tenant, &options.key);
    let kms = options.ring.open()?;
    let failed = |error| kms_failure(error, key.as_str());
    let versions = pollster::block_on(kms.describe(tenant, key))
        .map_err(failed)?
        .active_version;
    if options.yes_destroy.as_ref() != Some(key) {
        return Err(Failure::unusable(format!(
            "key {key} of tenant {tenant} has {versions} version(s), and what is sealed under them \
             alone would never open again; nothing was done: to destroy it, repeat its name with \
             --yes-destroy"
        )));
    }
    pollster::block_on(kms.destroy(tenant, key)).map_err(failed)?;
    let destroyed_at = clock::now_or(None);
    let backups_gone_at = destroyed_at.saturating_add(u64::from(options.backup_days) * DAY);
    Report::new()
        .with_text("tenant", tenant)
        .with_text("key", key)
        .with("versions", (1..=versions).collect::<Vec<_>>())
        .with("destroyed_at", moment(destroyed_at))
        .with("backup_days", options.backup_days)
        .with("backups_gone_at", moment(backups_gone_at))
        .print(output)
}

fn moment(seconds: u64) -> Option<String> {
    clock::moment(seconds.saturating_mul(1_000_000))
}
