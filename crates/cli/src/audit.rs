//! `strongroom audit`: logs in files, and an auditor's offline tools.

mod append;
mod archive;
mod event;
mod exporting;
mod files;
mod log;
mod prove;
mod store;
mod tail;

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
    /// Make a store of logs, and the key under which it signs
    #[command(after_help = store::INIT_HELP)]
    Init(store::Init),
    /// Append events, and print a receipt for each once it is durable
    #[command(after_help = append::HELP)]
    Append(Box<append::Append>),
    /// Sign a checkpoint of each log that grew
    #[command(after_help = store::CHECKPOINT_HELP)]
    Checkpoint(store::Store),
    /// Prove what stands in a log: one entry, several, a range, or that the log only grew
    #[command(after_help = prove::HELP)]
    Prove(prove::Prove),
    /// Write out a log with everything that an auditor needs
    #[command(after_help = exporting::HELP)]
    Export(Box<exporting::Options>),
    /// Print a log's published entries, and new ones as they come
    #[command(after_help = tail::HELP)]
    Tail(tail::Tail),
    /// Verify a whole log, a receipt, a proof file or a checkpoint
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

--log reads a whole log, which is an export (a folder or a .tar file) or a store's zone, and
computes everything in it again: leaves, tiles, the root at every checkpoint, the commitments of
payloads that are not sealed. It names the first entry that is wrong and what is wrong with it, or
an interval where one copy of a log cannot say more. A payload that an entry says was erased is
told as erased, and is no fault. --cursor has only what is new verified: the file is made, and
replaced after each pass that found nothing. --checkpoint-kept gives a checkpoint that was kept
elsewhere; without one, a log that was set back with its checkpoints cannot be told.

Examples:
  strongroom audit verify --log export.tar --key \"$(cat log.vkey)\"
  strongroom audit verify --log /zones/0 --key \"$(cat log.vkey)\" --cursor acme.cursor --threads 4
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
    #[arg(long, value_name = "FILE", group = "evidence", required_unless_present_any = ["proof", "checkpoint", "log"], requires = "batch_key")]
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
    #[command(flatten)]
    pub(crate) whole: log::Whole,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Init(init) => store::init(&init, output),
        Verb::Append(append) => append::run(&append, output),
        Verb::Checkpoint(store) => store::checkpoint(&store, output),
        Verb::Prove(prove) => prove::run(&prove),
        Verb::Export(options) => exporting::run(&options, output),
        Verb::Tail(tail) => tail::run(&tail),
        Verb::Verify(verify) if verify.whole.log.is_some() => log::verify(&verify, output),
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
