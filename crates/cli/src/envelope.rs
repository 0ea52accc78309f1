//! `strongroom envelope`: records, sealed under a tenant's key in a keyring file.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::json;
use strongroom::envelope::{
    EncryptionContext, KeyAdmin as _, KeyRef, LocalKms, MAX_HEADER, MAX_PLAINTEXT, OpenError, open,
    read_wraps, seal,
};
use strongroom::tenancy::TenantId;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::input;
use crate::output::{self, Output};
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a keyring file with one tenant's first key
    #[command(after_help = KEYRING_HELP)]
    KeyringNew {
        /// The new file, readable by its owner alone
        file: PathBuf,
        /// The tenant
        #[arg(long, value_name = "UUID")]
        tenant: TenantId,
        /// The key's name: 1 to 64 characters of A-Z a-z 0-9 . _ - : /
        #[arg(long, value_name = "NAME")]
        key: KeyRef,
    },
    /// Seal a record
    #[command(after_help = SEAL_HELP)]
    Seal(Record),
    /// Open a sealed record
    #[command(after_help = OPEN_HELP)]
    Open(Record),
    /// Show under which keys a record is sealed
    #[command(after_help = "Examples:\n  strongroom envelope inspect record.sealed")]
    Inspect {
        /// The sealed record
        file: Option<PathBuf>,
    },
}

const KEYRING_HELP: &str = "\
The keys lie in clear in the file: guard it, and its backups, as what they open.

Examples:
  strongroom envelope keyring-new keyring --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 --key root";

const SEAL_HELP: &str = "\
The context is what a record is about. It is not stored in it: without the very same pairs, the
same tenant and one of its keys, the record does not open.

Examples:
  strongroom envelope seal --keyring keyring --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --key root --context purpose=credential --context row=17 --out record.sealed < credential";

const OPEN_HELP: &str = "\
Examples:
  strongroom envelope open --keyring keyring --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --key root --context purpose=credential --context row=17 record.sealed";

#[derive(Args)]
pub(crate) struct Record {
    /// The keyring file
    #[arg(long, value_name = "FILE")]
    keyring: PathBuf,
    /// The tenant whose record it is
    #[arg(long, value_name = "UUID")]
    tenant: TenantId,
    /// The key's name
    #[arg(long, value_name = "NAME")]
    key: KeyRef,
    /// What the record is about, as name=value; repeat for several
    #[arg(long = "context", value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// Write to this new file, readable by its owner alone, and not to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The record
    file: Option<PathBuf>,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::KeyringNew { file, tenant, key } => {
            let kms = LocalKms::create(&file).map_err(Failure::unusable)?;
            pollster::block_on(kms.create(&tenant, &key)).map_err(Failure::unusable)?;
            Report::new()
                .with_text("keyring", file.display())
                .with_text("tenant", tenant)
                .with_text("key", key)
                .with("version", 1)
                .print(output)
        }
        Verb::Seal(record) => seal_record(&record, output),
        Verb::Open(record) => open_record(&record, output),
        Verb::Inspect { file } => inspect(file.as_deref(), output),
    }
}

fn seal_record(record: &Record, output: Output) -> Result<(), Failure> {
    let (kms, context) = record.means()?;
    let plaintext = Zeroizing::new(input::bytes(record.file.as_deref(), MAX_PLAINTEXT)?);
    let sealing = seal(&kms, &record.key, &record.tenant, &context, &plaintext);
    let sealed = pollster::block_on(sealing).map_err(Failure::unusable)?;
    match output {
        Output::Json if record.out.is_none() => Report::new()
            .with("sealed_base64", STANDARD.encode(&sealed))
            .print(output),
        _ => output::write_binary(record.out.as_deref(), &sealed),
    }
}

fn open_record(record: &Record, output: Output) -> Result<(), Failure> {
    let (kms, context) = record.means()?;
    let sealed = read_sealed(record.file.as_deref())?;
    let allowed = std::slice::from_ref(&record.key);
    let opening = open(&kms, allowed, &record.tenant, &context, &sealed);
    let plaintext = pollster::block_on(opening).map_err(|error| match error {
        OpenError::Kms(error) => Failure::unusable(error),
        error => Failure::refused(error),
    })?;
    match (&record.out, output) {
        (Some(path), _) => output::create_private(path, &plaintext),
        (None, Output::Text) => output::write(&plaintext),
        (None, Output::Json) => Report::new()
            .with("plaintext_base64", STANDARD.encode(&*plaintext))
            .print(output),
    }
}

fn inspect(file: Option<&Path>, output: Output) -> Result<(), Failure> {
    let sealed = read_sealed(file)?;
    let wraps = read_wraps(&sealed).map_err(Failure::refused)?;
    let wraps = wraps.iter().map(|wrap| {
        json!({
            "provider": wrap.provider,
            "key": wrap.key_ref.as_str(),
            "version": wrap.key_version,
        })
    });
    Report::new()
        .with("bytes", sealed.len())
        .with("wrap", wraps.collect::<Vec<_>>())
        .print(output)
}

impl Record {
    fn means(&self) -> Result<(LocalKms, EncryptionContext), Failure> {
        let kms = LocalKms::open(&self.keyring).map_err(Failure::unusable)?;
        let context = EncryptionContext::new(self.context.iter().cloned());
        Ok((kms, context.map_err(Failure::unusable)?))
    }
}

fn read_sealed(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    // Header, salt, commitment, nonce and tag are far below twice the longest header.
    input::bytes(file, MAX_PLAINTEXT + 2 * MAX_HEADER)
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}
