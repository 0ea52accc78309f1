//! `strongroom audit`: an auditor's offline tools.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use strongroom::auditchain::{Event, Hash, Leaf, Origin, VerifierKey};

use crate::clock;
use crate::evidence;
use crate::failure::Failure;
use crate::input::{self, MAX_DOCUMENT};
use crate::output::Output;
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Verify a receipt, a proof file or a checkpoint
    #[command(after_help = VERIFY_HELP)]
    Verify(Box<Verify>),
    /// Show what an entry's leaf says
    #[command(after_help = SHOW_HELP)]
    Show {
        /// The leaf, as it is or in base64
        file: Option<PathBuf>,
    },
}

const VERIFY_HELP: &str = "\
A receipt is read in its text form, or in base64url as it stands in an HTTP header. With --leaf
or --leaf-hash, a receipt must also be for that very entry. Keys are verifier keys of signed notes:
NAME+ID+BASE64. --origin demands that log; for proofs and checkpoints it is the key's name unless
given.

Examples:
  strongroom audit verify --receipt receipt.txt --batch-key \"$(cat batch.vkey)\"
  strongroom audit verify --receipt receipt.txt --leaf entry.cbor --batch-key \"$(cat batch.vkey)\"
  strongroom audit verify --proof entry.tlog-proof --leaf entry.cbor --key \"$(cat log.vkey)\"
  strongroom audit verify --checkpoint checkpoint --key \"$(cat log.vkey)\" --json";

const SHOW_HELP: &str = "\
Examples:
  strongroom audit show entry.cbor
  strongroom audit show --json < entry.base64";

#[derive(Args)]
#[group(skip)]
pub(crate) struct Verify {
    /// A receipt
    #[arg(long, value_name = "FILE", group = "evidence", required_unless_present_any = ["proof", "checkpoint"], requires = "batch_key")]
    pub(crate) receipt: Option<PathBuf>,
    /// A proof file (C2SP tlog-proof)
    #[arg(long, value_name = "FILE", group = "evidence", requires_all = ["key", "entry"])]
    pub(crate) proof: Option<PathBuf>,
    /// A signed checkpoint (C2SP tlog-checkpoint)
    #[arg(
        long,
        value_name = "FILE",
        group = "evidence",
        requires = "key",
        conflicts_with = "entry"
    )]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The platform's batch key, for receipts
    #[arg(long, value_name = "VKEY", conflicts_with_all = ["key", "proof", "checkpoint"])]
    pub(crate) batch_key: Option<VerifierKey>,
    /// The log's key, for proofs and checkpoints
    #[arg(long, value_name = "VKEY")]
    pub(crate) key: Option<VerifierKey>,
    /// The entry's leaf, as it is or in base64
    #[arg(long, value_name = "FILE", group = "entry")]
    pub(crate) leaf: Option<PathBuf>,
    /// The entry's leaf hash
    #[arg(long, value_name = "BASE64", group = "entry")]
    pub(crate) leaf_hash: Option<Hash>,
    /// The log that it must be of
    #[arg(long)]
    pub(crate) origin: Option<Origin>,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Verify(verify) => evidence::verify(&verify)?.print(output),
        Verb::Show { file } => {
            let bytes = leaf_bytes(input::bytes(file.as_deref(), MAX_DOCUMENT)?);
            let event = Leaf::decode(&bytes).map_err(Failure::refused)?;
            show(&event, Hash::of_leaf(&bytes)).print(output)
        }
    }
}

/// The leaf in a file. Base64 is taken for a leaf's only if a leaf comes out; whatever else the
/// bytes are, they are the entry as they stand.
pub(crate) fn leaf_bytes(contents: Vec<u8>) -> Vec<u8> {
    let decoded = STANDARD.decode(contents.trim_ascii()).ok();
    decoded
        .filter(|bytes| Leaf::decode(bytes).is_ok())
        .unwrap_or(contents)
}

/// The event's JSON view, member by member, with what only the command line adds.
fn show(event: &Event, leaf_hash: Hash) -> Report {
    event
        .json_members()
        .fold(Report::new(), |report, (name, value)| {
            let report = report.with(name, value);
            if name == "time_us" {
                report.with("time", clock::moment(event.time_us))
            } else {
                report
            }
        })
        .with_text("leaf_hash", leaf_hash)
}
