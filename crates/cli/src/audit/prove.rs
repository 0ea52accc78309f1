//! `prove`.

use clap::Args;
use strongroom::auditchain::store::{ZoneRead, log_folder};
use strongroom::auditchain::{
    Hash, ProofFile, RangeFile, TileError, TilePath, TileReader, TileTree,
};
use strongroom_auditchain::{Multiproof, MultiproofFile};

use super::files::{Files, Where};
use crate::failure::Failure;
use crate::output;

pub(super) const HELP: &str = "\
One --index gives a proof file of that entry (C2SP tlog-proof), several give one file that proves
them all. --from and --to give a range file: every entry from the one to before the other, with
none left out. --consistent-with gives the hashes, one a line, that show a tree of this size to be
the beginning of the newer one. The checkpoint is the newest, or that of --size, and stands in the
file. Nothing is believed of the tiles that does not lead to the checkpoint's root.

Examples:
  strongroom audit prove --log export.tar --index 17 > entry.tlog-proof
  strongroom audit prove --log /a/zone --origin audit.example.com/t/acme --index 3 --index 9
  strongroom audit prove --log export --from 100 --to 200
  strongroom audit prove --log export --consistent-with 100";

#[derive(Args)]
#[group(skip)]
pub(crate) struct Prove {
    #[command(flatten)]
    of: Where,
    /// Prove this entry; repeat for several
    #[arg(long = "index", value_name = "INDEX", group = "what", required_unless_present_any = ["from", "old"])]
    indices: Vec<u64>,
    /// Prove all entries from this one on
    #[arg(long, value_name = "INDEX", group = "what", requires = "to")]
    from: Option<u64>,
    /// Prove all entries to before this one
    #[arg(long, value_name = "INDEX", requires = "from")]
    to: Option<u64>,
    /// Prove that the log of this size is the beginning
    #[arg(
        long = "consistent-with",
        value_name = "SIZE",
        id = "old",
        group = "what"
    )]
    old: Option<u64>,
    /// Under the checkpoint of this size, and not the newest
    #[arg(long, value_name = "SIZE")]
    size: Option<u64>,
}

pub(super) fn run(prove: &Prove) -> Result<(), Failure> {
    let files = Files::open(&prove.of.log, prove.of.origin.as_ref())?;
    let (note, checkpoint) = files.checkpoint(prove.size)?;
    let tiles = Tiles {
        zone: &*files.zone,
        folder: log_folder(&files.origin),
    };
    let size = checkpoint.size;
    let mut tree = TileTree::verified(&tiles, size, &checkpoint.root).map_err(Failure::refused)?;
    let text = if let (Some(from), Some(to)) = (prove.from, prove.to) {
        let proof = tree.prove_range(from, to, size).map_err(failure)?;
        RangeFile::new(proof, note).to_string()
    } else if let Some(old) = prove.old {
        let proof = tree.prove_consistency(old, size).map_err(failure)?;
        let lines = proof.hashes.iter().map(|hash| format!("{hash}\n"));
        lines.collect()
    } else if let [index] = prove.indices.as_slice() {
        let proof = tree.prove_inclusion(*index, size).map_err(failure)?;
        let file = ProofFile {
            extra: None,
            index: *index,
            hashes: proof.hashes,
            checkpoint: note,
        };
        file.to_string()
    } else {
        let mut indices = prove.indices.clone();
        indices.sort_unstable();
        let leaves = (0..size).map(|index| tree.leaf(index));
        let leaves: Vec<Hash> = leaves.collect::<Result<_, _>>().map_err(Failure::refused)?;
        let proof = Multiproof::prove(&leaves, &indices, size).map_err(Failure::unusable)?;
        MultiproofFile::new(proof, note).to_string()
    };
    output::write(text.as_bytes())
}

/// What was asked for is not there, or the tiles are not what was signed.
fn failure(error: TileError<std::io::Error>) -> Failure {
    match error {
        TileError::Proof(error) => Failure::unusable(error),
        error => Failure::refused(error),
    }
}

/// A log's tiles; those that were superseded are read from the wider ones that are there.
pub(super) struct Tiles<'a> {
    pub(super) zone: &'a dyn ZoneRead,
    pub(super) folder: String,
}

impl TileReader for Tiles<'_> {
    type Error = std::io::Error;

    fn read(&self, path: &TilePath) -> Result<Option<Vec<u8>>, Self::Error> {
        let most = 256 * Hash::LEN as u64;
        let read = |path: &TilePath| self.zone.read(&format!("{}/{path}", self.folder), most);
        let bytes = read(path)?;
        if bytes.is_some() || !path.is_partial() {
            return Ok(bytes);
        }
        let names = self
            .zone
            .list(&format!("{}/{}.p", self.folder, path.full()))?;
        let widths = names.iter().filter_map(|(name, _)| name.parse().ok());
        let wider = widths.filter(|width| *width > path.width()).min();
        let wider = TilePath::new(path.kind(), path.index(), wider.unwrap_or(256));
        let bytes = wider.map_or(Ok(None), |wider| read(&wider))?;
        let length = usize::from(path.width()) * Hash::LEN;
        Ok(bytes.and_then(|bytes| bytes.get(..length).map(<[u8]>::to_vec)))
    }
}
