//! A store on the command line: its zones, its checkpoint store, its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use strongroom::auditchain::store::{CheckpointStore, Directory, Limits, StoreConfig, Zone};
use strongroom::auditchain::{Classes, Ed25519Signer, Origin};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::input;
use crate::output::{self, Output};
use crate::report::Report;

pub(super) const INIT_HELP: &str = "\
A zone is a directory; put each on a disk of its own. The quorum is how many of them must have an
entry on disk before it is acknowledged. The directory of --signed remembers what was signed: put
it apart from the zones, and never restore it together with them. The key file is made, readable by
its owner alone; it holds the seed of an Ed25519 key, and signs each log under the log's own name.

Examples:
  strongroom audit init --zone /a/zone --zone /b/zone --zone /c/zone --quorum 2 --signed /d/signed \\
    --key audit.key --name audit.example.com/batch --origin audit.example.com/t/acme";

pub(super) const CHECKPOINT_HELP: &str = "\
Takes what was appended into tiles, and signs a checkpoint of each log that grew since its last
one. A log that is not what was signed of it is refused, told, and not signed.

Examples:
  strongroom audit checkpoint --zone /a/zone --zone /b/zone --zone /c/zone --signed /d/signed \\
    --key audit.key";

/// The first line of a key file.
const KEY_LABEL: &str = "strongroom.dev/audit-key/v1";

/// Where a store is, and its key.
#[derive(Args)]
pub(crate) struct Store {
    /// A zone's directory; repeat for each zone, in the order in which they were made
    #[arg(long = "zone", value_name = "DIR", required = true)]
    zones: Vec<PathBuf>,
    /// The directory that remembers what was signed, apart from the zones
    #[arg(long, value_name = "DIR")]
    signed: PathBuf,
    /// The file of the signing key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A kind of event that is an agent's, or the beginning of kinds up to a dot; repeat for several
    #[arg(long = "agent", value_name = "KIND")]
    agents: Vec<String>,
    /// Fill a zone that is empty from the others: after a disk was replaced
    #[arg(long)]
    adopt_empty_zones: bool,
}

#[derive(Args)]
pub(crate) struct Init {
    #[command(flatten)]
    store: Store,
    /// In how many zones an entry must be on disk; all of them, unless given
    #[arg(long, value_name = "N")]
    quorum: Option<usize>,
    /// The name under which batches and receipts are signed
    #[arg(long)]
    name: String,
    /// Print the verifier key of this log too; repeat for several
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<Origin>,
}

pub(super) fn init(init: &Init, output: Output) -> Result<(), Failure> {
    let signer = Ed25519Signer::generate(&init.name).map_err(Failure::unusable)?;
    let directories = init.store.directories()?;
    let zones: Vec<Arc<dyn Zone>> = directories.into_iter().flatten().collect();
    let quorum = init.quorum.unwrap_or(zones.len());
    let seed = signer.expose_seed();
    let text = Zeroizing::new(format!(
        "{KEY_LABEL}\nname {}\nseed {}\n",
        init.name,
        *Zeroizing::new(STANDARD.encode(*seed))
    ));
    // The key first: a store without one can be made again, and no key is ever written over.
    output::create_private(&init.store.key, text.as_bytes())?;
    let made = strongroom::auditchain::store::Store::create(&zones, quorum);
    made.map_err(Failure::unusable)?;
    let mut report = Report::new()
        .with("zones", zones.len())
        .with("quorum", quorum)
        .with_text("batch_key", signer.verifier_key());
    if !init.origins.is_empty() {
        let keys = init.origins.iter().map(|origin| log_key(&signer, origin));
        report = report.with("log_keys", keys.collect::<Result<Vec<_>, _>>()?);
    }
    report.print(output)
}

pub(super) fn checkpoint(store: &Store, output: Output) -> Result<(), Failure> {
    let signer = store.signer()?;
    let store = store.open(&signer)?;
    let done = store.checkpoint().map_err(Failure::unusable)?;
    for checkpoint in &done.signed {
        Report::new()
            .with_text("origin", &checkpoint.origin)
            .with_text("size", checkpoint.size)
            .with_text("root", checkpoint.root)
            .with("log_key", log_key(&signer, &checkpoint.origin)?)
            .print(output)?;
    }
    for refused in &done.refused {
        eprintln!("not signed: {}", refused.why);
    }
    if done.refused.is_empty() {
        Ok(())
    } else {
        Err(Failure::RefusedAndShown)
    }
}

impl Store {
    /// Opens the store. What its opening found and mended is told on standard error.
    pub(super) fn open(
        &self,
        signer: &Ed25519Signer,
    ) -> Result<strongroom::auditchain::store::Store, Failure> {
        let signed = CheckpointStore::open(&self.signed, signer.verifier_key());
        let checkpoints = signed.map_err(|error| about(&self.signed, &error))?;
        let agents = self.agents.iter().map(String::as_str);
        let opened = strongroom::auditchain::store::Store::open(StoreConfig {
            zones: self.directories()?,
            checkpoints: Arc::new(checkpoints),
            keys: Arc::new(signer.same()),
            classes: Classes::new(agents).map_err(Failure::unusable)?,
            limits: Limits::default(),
            adopt_empty_zones: self.adopt_empty_zones,
        });
        let (store, recovery) = opened.map_err(Failure::unusable)?;
        for (zone, path) in recovery.strays {
            eprintln!("zone {zone}: {path} is no file of the store's, and was left there");
        }
        for (zone, why) in store.lost_zones() {
            eprintln!("zone {zone} is not in use: {why}");
        }
        Ok(store)
    }

    pub(super) fn signer(&self) -> Result<Ed25519Signer, Failure> {
        signer(&self.key)
    }

    /// The zones; none for one whose disk is not there.
    fn directories(&self) -> Result<Vec<Option<Arc<dyn Zone>>>, Failure> {
        let mut zones: Vec<Option<Arc<dyn Zone>>> = Vec::new();
        for path in &self.zones {
            match Directory::open(path) {
                Ok(directory) => zones.push(Some(Arc::new(directory))),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Err(about(path, &"another process has it open"));
                }
                Err(error) => {
                    eprintln!("{}: {error}", path.display());
                    zones.push(None);
                }
            }
        }
        Ok(zones)
    }
}

/// Reads a key file.
fn signer(path: &Path) -> Result<Ed25519Signer, Failure> {
    let text = input::secret(Some(path))?;
    let malformed = || about(path, &"no audit key");
    let mut lines = text.lines();
    let label = lines.next();
    let name = lines.next().and_then(|line| line.strip_prefix("name "));
    let seed = lines.next().and_then(|line| line.strip_prefix("seed "));
    let (name, seed) = name.zip(seed).ok_or_else(malformed)?;
    if label != Some(KEY_LABEL) || lines.next().is_some() {
        return Err(malformed());
    }
    let mut bytes = Zeroizing::new([0; 33]);
    let length = STANDARD.decode_slice(seed, bytes.as_mut());
    let seed = bytes.first_chunk().filter(|_| length == Ok(32));
    Ed25519Signer::from_seed(name, seed.ok_or_else(malformed)?).map_err(|_| malformed())
}

fn log_key(signer: &Ed25519Signer, origin: &Origin) -> Result<String, Failure> {
    let key = signer
        .with_name(origin.as_str())
        .map_err(Failure::unusable)?;
    Ok(key.verifier_key().to_string())
}

fn about(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::unusable(format!("{}: {error}", path.display()))
}
