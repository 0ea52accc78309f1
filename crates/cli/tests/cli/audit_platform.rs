//! The platform's log as an auditor sees it: the anchors of a tenant's log, and the times at which the
//! platform's own checkpoints stood.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use strongroom_auditchain::{
    Anchor, Checkpoint, Cosigner, Ed25519Signer, EntryBundle, Frontier, Hash, Note, PlatformEntry,
    PlatformSalt, TileKind, TilePath, VerifierKey, Witnessed, grow_tiles,
};

use crate::audit_log::Logs;
use crate::shell::Shell;

const PLATFORM: &str = "audit.example.com/platform";

/// A platform's log of three entries, the last one a tenant's.
struct Platform {
    log: Ed25519Signer,
    cosigner: Cosigner,
    entries: Vec<Vec<u8>>,
    note: Note,
    last: Witnessed,
}

impl Platform {
    fn of(salt: u8, checkpoint: &Checkpoint) -> Self {
        let entry = PlatformEntry::commit(&PlatformSalt::from_bytes(&[salt; 32]), checkpoint);
        let entries = vec![
            vec![1; PlatformEntry::LEN],
            vec![1; PlatformEntry::LEN],
            entry.unwrap().encode().to_vec(),
        ];
        let log = Ed25519Signer::from_seed(PLATFORM, &[1; 32]).unwrap();
        let clock = Ed25519Signer::from_seed("audit.example.com/clock", &[2; 32]).unwrap();
        let origin = PLATFORM.parse().unwrap();
        let tree = Self::tree(&entries);
        let head = Checkpoint {
            origin,
            size: tree.size(),
            root: tree.root(),
        };
        Self {
            note: head.sign(&log).unwrap().parse().unwrap(),
            last: Witnessed::nothing(head.origin),
            cosigner: Cosigner::new(Arc::new(clock)).unwrap(),
            log,
            entries,
        }
    }

    fn hashes(entries: &[Vec<u8>]) -> Vec<Hash> {
        entries.iter().map(|entry| Hash::of_leaf(entry)).collect()
    }

    fn tree(entries: &[Vec<u8>]) -> Frontier {
        Frontier::new().append_batch(&Self::hashes(entries)).0
    }

    /// The log's checkpoint, cosigned.
    fn at(&mut self, time: u64) -> Note {
        let key = self.log.verifier_key().clone();
        let done = self
            .cosigner
            .cosign(&self.note, &key, &self.last, &[], time);
        let (note, last) = done.unwrap();
        self.last = last;
        note
    }

    fn keys(&self) -> String {
        let key = self.log.verifier_key();
        let cosigner = self.cosigner.verifier_key();
        format!("--platform-key {key} --cosigner {cosigner}")
    }

    /// Its export in a folder, cosigned at these times.
    fn export(&mut self, shell: &Shell, folder: &str, times: &[u64]) {
        let key = self.log.verifier_key().clone();
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let manifest = format!(
            "strongroom.dev/audit-export/v1\norigin {PLATFORM}\nsize 3\nentries platform\n\
             payloads left-out\nlog-key {key}\n"
        );
        files.insert("export".to_owned(), manifest.into());
        files.insert("origin".to_owned(), format!("{PLATFORM}\n").into());
        for path in ["checkpoint", "checkpoints/3"] {
            files.insert(path.to_owned(), self.note.to_string().into());
        }
        for time in times {
            let note = self.at(*time).to_string();
            files.insert(format!("cosigned/{time}"), note.into());
        }
        let mut bundle = Vec::new();
        for entry in &self.entries {
            EntryBundle::append(&mut bundle, entry).unwrap();
        }
        let path = TilePath::new(TileKind::Entries, 0, 3).unwrap();
        files.insert(path.to_string(), bundle);
        let hashes = Self::hashes(&self.entries);
        let nothing: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
        for tile in grow_tiles(&nothing, &Frontier::new(), &hashes).unwrap() {
            files.insert(tile.path.to_string(), tile.bytes);
        }
        for (path, bytes) in files {
            let path = shell.path(folder).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn an_anchor_is_verified_with_the_platforms_keys() {
    let logs = Logs::of(3);
    logs.export("acme");
    let note = fs::read_to_string(logs.shell.path("acme/checkpoint")).unwrap();
    let key: VerifierKey = logs.key.parse().unwrap();
    let head = Checkpoint::verify(&note, &key, &key.name().parse().unwrap()).unwrap();
    let note: Note = note.parse().unwrap();
    let mut platform = Platform::of(7, &head);
    let (_, proofs) = Frontier::new().append_batch(&Platform::hashes(&platform.entries));
    let (salt, cosigned) = (
        PlatformSalt::from_bytes(&[7; 32]),
        platform.at(1_700_000_000),
    );
    let anchor = Anchor::new(salt, &proofs[2], note, cosigned).unwrap();
    fs::create_dir(logs.shell.path("acme/anchors")).unwrap();
    let path = format!("acme/anchors/{}", head.size);
    logs.shell.file(&path, anchor.to_text().as_bytes());

    let done = logs.verify("acme", &platform.keys()).ends_with(0).json();
    assert_eq!(
        (&done["anchors"], &done["anchors_not_checked"]),
        (&"1".into(), &"0".into())
    );
    let unchecked = logs.verify("acme", "").ends_with(0).json();
    assert_eq!(unchecked["anchors_not_checked"], "1");
    let words = format!(
        "audit verify --log acme --key {} {}",
        logs.key,
        platform.keys()
    );
    let words = logs.shell.run(&words).ends_with(0);
    assert!(words.text().contains("anchors"), "{}", words.text());

    // Of another cosigner's keys it shows nothing; nor under another size.
    let stranger = Ed25519Signer::from_seed("audit.example.com/clock", &[3; 32]).unwrap();
    let stranger = Cosigner::new(Arc::new(stranger)).unwrap();
    let keys = platform.keys();
    let (platforms, _) = keys.split_once(" --cosigner").unwrap();
    let others = format!("{platforms} --cosigner {}", stranger.verifier_key());
    let refused = logs.verify("acme", &others).ends_with(1).json();
    assert_eq!(refused["findings"][0]["kind"], "anchor");
    fs::rename(logs.shell.path(&path), logs.shell.path("acme/anchors/2")).unwrap();
    let refused = logs.verify("acme", &platform.keys()).ends_with(1).json();
    assert_eq!(refused["findings"][0]["kind"], "anchor");
}

#[test]
fn the_platforms_cadence_is_verified_from_its_export() {
    let head = Checkpoint {
        origin: "audit.example.com/t/acme".parse().unwrap(),
        size: 0,
        root: Hash::EMPTY,
    };
    let shell = Shell::new();
    let mut platform = Platform::of(7, &head);
    platform.export(&shell, "kept", &[1000, 1240, 1480, 1720]);
    platform.export(&shell, "gap", &[2000, 2240, 2600]);
    let key = platform.log.verifier_key().clone();
    let verify = |folder: &str, more: &str| {
        let keys = platform.keys();
        let line = format!("audit verify --log {folder} --key {key} {keys} {more}");
        shell.run(line.trim_end())
    };
    let done = verify("kept", "--json").ends_with(0).json();
    assert_eq!(done["longest_without_cosignature"], "240");
    let words = verify("kept", "").ends_with(0);
    assert!(words.text().contains("240"), "{}", words.text());
    let gap = verify("gap", "--json").ends_with(1).json();
    assert_eq!(gap["findings"][0]["kind"], "cadence");
    let words = verify("gap", "").ends_with(1);
    assert!(
        words.text().contains("no cosignature for 360 s"),
        "{}",
        words.text()
    );
    // Within what is asked for it must have held to the end.
    let early = verify("kept", "--cadence-from 1000 --cadence-to 2100 --json").ends_with(1);
    assert_eq!(early.json()["findings"][0]["kind"], "cadence");
}
