//! What `audit verify` says of logs that were tampered with, in a store's zone as in an export, and
//! of input that nobody's tool ever wrote.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use strongroom::auditchain::store::log_folder;
use strongroom::auditchain::{
    Checkpoint, Ed25519Signer, EntryBundle, Hash, MAX_SIGNATURES, Note, Origin, ProofFile,
};

use crate::shell::{Run, Shell};

const ORIGIN: &str = "audit.example.com/t/acme";
const STORE: &str = "--zone zone --signed signed --key audit.key";

/// A store of one zone with a log of 300 entries with payloads, of which 200 were signed before.
struct Log {
    shell: Shell,
    key: String,
}

/// Where a log's files are, and how they are verified there.
struct Copy<'a> {
    log: &'a Log,
    name: String,
    /// The log's folder within it.
    folder: PathBuf,
}

impl Log {
    fn new() -> Self {
        let shell = Shell::new();
        let line = format!(
            "audit init {STORE} --quorum 1 --name audit.example.com/batch --origin {ORIGIN} --json"
        );
        let told = shell.run(&line).ends_with(0).json();
        let key = told["log_keys"][0].as_str().unwrap().to_owned();
        let log = Self { shell, key };
        log.append(0..200);
        log.append(200..300);
        log.shell
            .run(
                "audit export --log zone --key KEY --payloads --out export"
                    .replace("KEY", &log.key)
                    .as_str(),
            )
            .ends_with(0);
        log
    }

    fn append(&self, numbers: std::ops::Range<u64>) {
        let event = |number: u64| match number {
            100 => json!({
                "kind": "payload.erased",
                "source": "gateway",
                "resource": "entries/3-5/agent",
            }),
            number => json!({
                "kind": "chat.completed",
                "source": "gateway",
                "resource": format!("number/{number}"),
                "payload": {"prompt": format!("hello {number}")},
            }),
        };
        let lines: String = numbers.map(|n| format!("{}\n", event(n))).collect();
        let line =
            format!("audit append {STORE} --agent chat. --origin {ORIGIN} --json --in-clear");
        self.shell.run_with(&line, lines).ends_with(0);
        self.shell
            .run(&format!("audit checkpoint {STORE} --agent chat."))
            .ends_with(0);
    }

    /// A copy of the zone and one of the export.
    fn copies(&self, name: &str) -> [Copy<'_>; 2] {
        let origin: Origin = ORIGIN.parse().unwrap();
        ["zone", "export"].map(|of| {
            let name = format!("{of}-{name}");
            copy(&self.shell.path(of), &self.shell.path(&name));
            let folder = self.shell.path(&name);
            let folder = if of == "zone" {
                folder.join(log_folder(&origin))
            } else {
                folder
            };
            Copy {
                log: self,
                name,
                folder,
            }
        })
    }

    /// The log's own key, as its file has it.
    fn signer(&self) -> Ed25519Signer {
        use base64::Engine as _;
        let file = fs::read_to_string(self.shell.path("audit.key")).unwrap();
        let seed = file.lines().find_map(|line| line.strip_prefix("seed "));
        let seed = base64::engine::general_purpose::STANDARD.decode(seed.unwrap());
        Ed25519Signer::from_seed(ORIGIN, &seed.unwrap().try_into().unwrap()).unwrap()
    }
}

impl Copy<'_> {
    fn verify(&self, more: &str) -> Run {
        self.verify_with(&format!("--agent chat. {more}"))
    }

    fn verify_with(&self, more: &str) -> Run {
        let line = format!(
            "audit verify --log {} --origin {ORIGIN} --key {} --json {more}",
            self.name, self.log.key
        );
        self.log.shell.run(line.trim_end())
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.join(path);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    /// The first finding of a pass that ends with some.
    #[track_caller]
    fn finding(&self) -> Value {
        let told = self.verify("").ends_with(1).json();
        assert_eq!(told["valid"], false);
        told["findings"][0].clone()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn flip_last(bytes: &mut [u8]) {
    *bytes.last_mut().unwrap() ^= 1;
}

/// Name, what is done to the log's folder, and what is told of it first.
type Case = (&'static str, fn(&Copy<'_>), Value);

#[test]
fn the_first_bad_index_and_its_kind_are_named_wherever_the_log_is() {
    let log = Log::new();
    for copy in log.copies("intact") {
        let told = copy.verify("").ends_with(0).json();
        assert_eq!(told["valid"], true);
        assert_eq!(told["signed"], "300");
        assert_eq!(
            (&told["entries"], &told["checkpoints"]),
            (&"300".into(), &json!(2))
        );
        // What was erased is told by which entry, and is no fault.
        let erased = json!([{"from": "3", "to": "5", "by": "100"}]);
        assert_eq!(told["erased"], erased);
        assert_eq!(
            (&told["payloads_erased"], &told["payloads_checked"]),
            (&"2".into(), &"297".into())
        );
    }
    // What an export lists as agents' kinds is nobody's word: another list is used where it is given.
    for copy in log.copies("of-other-agents") {
        let told = copy.verify_with("--agent tool.").ends_with(1).json();
        let first = &told["findings"][0];
        assert_eq!(
            (&first["kind"], &first["index"]),
            (&"payload".into(), &"3".into())
        );
    }
    let cases: [Case; 10] = [
        (
            "payload",
            |copy| copy.change("payload/000", |bytes| flip_last(bytes)),
            json!({"kind": "payload", "index": "255"}),
        ),
        (
            "payload-gone",
            |copy| fs::remove_file(copy.folder.join("payload/000")).unwrap(),
            json!({"kind": "payload", "index": "0"}),
        ),
        (
            "payloads-cut",
            |copy| copy.change("payload/000", |bytes| bytes.truncate(bytes.len() - 1)),
            json!({"kind": "payload", "index": "0", "to": "256"}),
        ),
        (
            "leaf",
            |copy| copy.change("tile/entries/001.p/44", |bytes| flip_last(bytes)),
            json!({"kind": "leaf", "index": "299"}),
        ),
        (
            "tile",
            |copy| copy.change("tile/0/001.p/44", |bytes| bytes[32 * 7] ^= 1),
            json!({"kind": "tile", "index": "263"}),
        ),
        (
            "tile-of-another-length",
            |copy| copy.change("tile/0/000", |bytes| bytes.truncate(31)),
            json!({"kind": "tile", "index": "0"}),
        ),
        (
            "checkpoint",
            |copy| copy.change("checkpoints/200", |bytes| flip_last(bytes)),
            json!({"kind": "checkpoint"}),
        ),
        (
            "fork",
            |copy| {
                let origin = ORIGIN.parse().unwrap();
                let (size, root) = (300, Hash::of_leaf(b"another history"));
                let other = Checkpoint { origin, size, root }.sign(&copy.log.signer());
                fs::write(copy.folder.join("checkpoint"), other.unwrap()).unwrap();
            },
            json!({"kind": "fork"}),
        ),
        (
            "interval",
            |copy| {
                // Entry 299 and its hash, as a forger would who has no key.
                let mut hash = None;
                copy.change("tile/entries/001.p/44", |bytes| {
                    flip_last(bytes);
                    let bundle = EntryBundle::parse(bytes, 44).unwrap();
                    hash = bundle.leaf_hashes().last();
                });
                copy.change("tile/0/001.p/44", |bytes| {
                    bytes[32 * 43..].copy_from_slice(hash.unwrap().as_bytes());
                });
            },
            json!({"kind": "interval", "index": "200", "to": "300"}),
        ),
        (
            "truncated",
            |copy| {
                for tile in ["tile/entries/001.p", "tile/0/001.p", "payload/001.p"] {
                    fs::remove_dir_all(copy.folder.join(tile)).unwrap();
                }
            },
            json!({"kind": "truncated", "index": "256"}),
        ),
    ];
    for (name, change, expected) in cases {
        for copy in log.copies(name) {
            change(&copy);
            let mut found = copy.finding();
            let text = found["finding"].take();
            found.as_object_mut().unwrap().remove("finding");
            assert_eq!(found, expected, "{}: {text}", copy.name);
            // By as many threads as one likes.
            let one = copy.verify("--threads 1").stdout;
            assert_eq!(copy.verify("--threads 4").stdout, one, "{name}");
        }
    }
}

#[test]
fn a_cursor_and_a_full_pass_say_the_same_of_what_is_new() {
    let log = Log::new();
    for (number, copy) in log.copies("first").into_iter().enumerate() {
        let cursor = format!("--cursor cursor-{number}");
        let told = copy.verify(&cursor).ends_with(0).json();
        assert_eq!(told["verified_from"], "0");
        let told = copy.verify(&cursor).ends_with(0).json();
        assert_eq!(
            (&told["verified_from"], &told["entries"]),
            (&"256".into(), &"44".into())
        );
        // What is older is believed, and what is newer is not.
        copy.change("tile/entries/000", |bytes| flip_last(bytes));
        copy.verify(&cursor).ends_with(0);
        copy.change("tile/entries/001.p/44", |bytes| flip_last(bytes));
        let told = copy.verify(&cursor).ends_with(1).json();
        assert_eq!(told["findings"][0]["index"], "299");
        let told = copy.verify("").ends_with(1).json();
        assert_eq!(told["findings"][0]["index"], "255");
        // Nobody watches: nothing but the report is said.
        assert_eq!(copy.verify("").stderr, "");
    }
}

#[test]
fn what_no_log_can_have_signed_is_refused() {
    let log = Log::new();
    let signer = log.signer();
    let note = |size: &str| {
        let text = format!("{ORIGIN}\n{size}\n{}\n", Hash::of_leaf(b"a"));
        Note::sign(&text, &signer).unwrap()
    };
    let proof = |index: u64, size: &str, hashes: usize| {
        ProofFile {
            extra: None,
            index,
            hashes: vec![Hash::EMPTY; hashes],
            checkpoint: note(size),
        }
        .to_string()
    };
    let beyond = (1_u64 << 63).to_string();
    let most = u64::MAX.to_string();
    for (name, file) in [
        ("size of zero", proof(0, "0", 0)),
        ("index beyond the size", proof(7, "7", 3)),
        ("size beyond 63 bits", proof(0, &beyond, 63)),
        ("size of 64 bits", proof(0, &most, 64)),
        ("size of 65 bits", proof(0, "18446744073709551616", 64)),
        ("index of 64 bits", proof(u64::MAX, "7", 3)),
        ("a hash more than there can be", proof(0, "4", 3)),
        ("a hash less", proof(0, "4", 1)),
        ("thousands of hashes", proof(0, "4", 5000)),
        ("cut off", proof(0, "4", 2).chars().take(60).collect()),
    ] {
        log.shell.file("proof", file);
        let line = format!(
            "audit verify --proof proof --leaf-hash {} --key {}",
            Hash::of_leaf(b"a"),
            log.key
        );
        let told = log.shell.run(&line).ends_with(1);
        assert!(!told.stderr.contains("panicked"), "{name}: {}", told.stderr);
        assert!(!told.stderr.is_empty(), "{name}");
    }
    let good = fs::read_to_string(log.shell.path("export/checkpoint")).unwrap();
    let line = good.lines().last().unwrap();
    let many = |count: usize| format!("{good}{}", format!("{line}\n").repeat(count));
    let with = |control: char| good.replacen("300", &format!("300{control}"), 1);
    for (name, file) in [
        ("nul", with('\0')),
        ("tab", with('\t')),
        ("carriage return", with('\r')),
        ("escape", with('\u{1b}')),
        ("delete", with('\u{7f}')),
        (
            "a signature more than a note may have",
            many(MAX_SIGNATURES),
        ),
        ("thousands of signatures", many(300)),
        ("more than a note may be long", many(5000)),
        (
            "a size with a leading zero",
            good.replacen("300", "0300", 1),
        ),
        ("size beyond 63 bits", note(&beyond).to_string()),
    ] {
        log.shell.file("note", &file);
        let line = format!("audit verify --checkpoint note --key {}", log.key);
        let told = log.shell.run(&line);
        assert!(matches!(told.status, 1 | 2), "{name}: {}", told.status);
        assert!(!told.stderr.contains("panicked"), "{name}: {}", told.stderr);
        // The same as the newest checkpoint of a log.
        for (number, copy) in log.copies("note").into_iter().enumerate() {
            fs::write(copy.folder.join("checkpoint"), &file).unwrap();
            assert_eq!(copy.finding()["kind"], "checkpoint", "{name}");
            fs::remove_dir_all(log.shell.path(&copy.name)).unwrap();
            assert!(number < 2);
        }
    }
    log.shell.file("note", &good);
    let line = format!("audit verify --checkpoint note --key {}", log.key);
    log.shell.run(&line).ends_with(0);
}
