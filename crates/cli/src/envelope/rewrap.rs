//! `rewrap`.

use std::path::{Path, PathBuf};

use clap::Args;
use strongroom::envelope::{
    EncryptionContext, KeyLocation, KeyRef, KmsError, LocalKms, MAX_COMPACT, OpenError, Provider,
    RewrapError, SealError, add_recipients, inspect, remove_recipient, rewrap,
};

use super::front::{Front, RecordFile, unfinished};
use super::inspect::wraps;
use super::keys::{About, Keys, kms_failure, recipients};
use super::new_file::NewFile;

use super::record::{MAX_SHORT, Record, open_failure};
use super::source::Source;
use super::threads::Threads;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::progress::is_watched;
use crate::report::Report;

pub(super) const HELP: &str = "\
The record's own key is wrapped again, under the newest version of each key that is named and that
the record is sealed to. The file is changed in place and its body stays as it is, so that a long
record takes no longer than a short one. A crash loses nothing: the next rewrap of the file finishes
what FILE.rewrap says was begun. --add-key needs the record's context: who is added gets the key of
that record, and not of another whose wrap was put in its place.

What it does not do: it takes nothing back. Who has read the record's own key, or the record as it
was before and a key that it was sealed to, can open it as before; and so can a backup. If that may
have happened, use --reencrypt, which opens the record and seals it anew under a fresh key, takes as
long as the record is long, and needs its context. It cannot call back copies either.

Examples:
  strongroom envelope rewrap --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    record.sealed
  strongroom envelope rewrap --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --add-key escrow --context purpose=credential --context row=17 record.sealed
  strongroom envelope rewrap --keyring keys --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --reencrypt --context purpose=credential --context row=17 record.sealed";

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    keys: Keys,
    /// Seal the record to this key too, given its context; repeat for several
    #[arg(long = "add-key", value_name = "NAME")]
    added: Vec<KeyRef>,
    /// Take this key's wrap out of the record; repeat for several
    #[arg(long = "remove-key", value_name = "NAME")]
    removed: Vec<KeyRef>,
    /// Open the record and seal it anew, under a fresh key, to the keys that are named
    #[arg(long)]
    reencrypt: bool,
    #[command(flatten)]
    about: About,
    /// The sealed record, which is changed
    file: PathBuf,
}

pub(super) fn run(options: &Options, output: Output) -> Result<(), Failure> {
    if input::is_stdin(Some(&options.file)) {
        return Err(Failure::unusable(
            "a record is changed in its file: name it",
        ));
    }
    let uses_context = options.reencrypt || !options.added.is_empty();
    if !uses_context && !options.about.pairs.is_empty() {
        return Err(Failure::unusable(
            "--context goes with --reencrypt and --add-key: nothing else looks at it",
        ));
    }
    let kms = options.keys.ring.open()?;
    let mut file = RecordFile::open(&options.file)?;
    let old = file.front()?;
    let new = if options.reencrypt {
        reencrypt(options, &kms, &file, &old, output)?;
        RecordFile::open(&options.file)?.front()?.inspection
    } else {
        let context = options.about.context()?;
        let front = pollster::block_on(rewrapped(options, &kms, &context, &old))
            .map_err(|error| rewrap_failure(error, options))?;
        file.replace_front(&old, &front)?;
        inspect(&front).map_err(Failure::refused)?
    };
    Report::new().with("wrap", wraps(&new)).print(output)
}

/// The front with its wraps replaced, added and removed, in this order.
async fn rewrapped(
    options: &Options,
    kms: &LocalKms,
    context: &EncryptionContext,
    old: &Front,
) -> Result<Vec<u8>, RewrapError> {
    let tenant = &options.keys.ring.tenant;
    let with = recipients(kms, &options.keys.names);
    // Who is added gets the key that the body's start commits to.
    let mut front = old.with_body_start();
    rewrap(&with, tenant, &mut front).await?;
    if !options.added.is_empty() {
        let added = recipients(kms, &options.added);
        add_recipients(&with, &added, tenant, context, &mut front).await?;
    }
    for name in &options.removed {
        remove_recipient(Provider::LOCAL, name, &mut front)?;
    }
    front.truncate(inspect(&front)?.front_bytes);
    Ok(front)
}

/// Seals the record anew, into a file that takes the old one's place once it is whole.
fn reencrypt(
    options: &Options,
    kms: &LocalKms,
    file: &RecordFile,
    old: &Front,
    output: Output,
) -> Result<(), Failure> {
    all_are_named(options, old)?;
    let names = options.keys.names.iter().chain(&options.added);
    let names = names.filter(|name| !options.removed.contains(name));
    let sealed = options.keys.record(kms, &options.about, Threads::ONE)?;
    let anew = Record {
        recipients: recipients(kms, names),
        tenant: sealed.tenant,
        context: options.about.context()?,
        threads: Threads::ONE,
    };
    let source = Source::open(Some(file.path()), MAX_SHORT)?;
    let name = source.name().to_owned();
    let opened = sealed.open(source, is_watched(output))?;
    let opened = Source::new(name, None, opened, MAX_COMPACT)?;
    let (new, _) = anew.seal_from(opened, NewFile::instead_of(file.path())?, false)?;
    file.replace(new)
}

/// A recipient is not lost by being forgotten on the command line.
fn all_are_named(options: &Options, old: &Front) -> Result<(), Failure> {
    let KeyLocation::Inline(wraps) = &old.inspection.key else {
        return Err(Failure::refused(OpenError::Detached));
    };
    for wrap in wraps {
        let mut named = options.keys.names.iter().chain(&options.removed);
        if wrap.provider != Provider::LOCAL || !named.any(|name| *name == wrap.key_ref) {
            return Err(Failure::refused(format!(
                "the record is sealed to {} too, which the new one would not be: name it with \
                 --key, or with --remove-key if that is meant",
                wrap.key_ref
            )));
        }
    }
    Ok(())
}

fn rewrap_failure(error: RewrapError, options: &Options) -> Failure {
    match error {
        RewrapError::Open(error) => open_failure(error),
        // The wrap itself is at fault, not the keyring.
        RewrapError::Seal(SealError::Kms(error @ KmsError::ContextMismatch)) => {
            Failure::refused(error)
        }
        RewrapError::Seal(SealError::Kms(error)) => {
            let names = options.keys.names.iter().chain(&options.added);
            let names: Vec<_> = names.map(KeyRef::as_str).collect();
            kms_failure(error, &names.join(", "))
        }
        error => Failure::refused(error),
    }
}

/// A record that does not open may be one whose rewrap was interrupted.
pub(super) fn or_unfinished(failure: Failure, file: Option<&Path>) -> Failure {
    let aside = file.map(unfinished).filter(|aside| aside.exists());
    match (failure, aside) {
        (Failure::Refused { reason, .. }, Some(aside)) => Failure::refused(format!(
            "{reason}; {} says that a rewrap was interrupted: `strongroom envelope rewrap` \
             finishes it",
            aside.display()
        )),
        (failure, _) => failure,
    }
}
