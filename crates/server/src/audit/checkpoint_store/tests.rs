use std::collections::BTreeMap;
use std::fs;

use strongroom_auditchain::{Checkpoint, Frontier};

use super::*;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("strongroom-store-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn signer(name: &str) -> Arc<Ed25519Signer> {
    Arc::new(Ed25519Signer::from_seed(name, &[7; 32]).unwrap())
}

fn origin(name: &str) -> Origin {
    format!("log.example/log/{name}").parse().unwrap()
}

fn open(
    directory: &Directory,
    installation: &str,
    new: bool,
) -> Result<CheckpointStore, StoreError> {
    let (checkpoints, batches) = (
        signer("log.example/checkpoint"),
        signer("log.example/batch"),
    );
    CheckpointStore::open(
        &directory.0,
        &origin(installation),
        new,
        checkpoints,
        batches,
    )
}

fn head(log: &str, size: u8) -> Head {
    let leaves: Vec<Hash> = (0..size).map(|i| Hash::of_leaf(&[i])).collect();
    let (frontier, _) = Frontier::new().append_batch(&leaves);
    let checkpoint = Checkpoint {
        origin: origin(log),
        size: size.into(),
        root: frontier.root(),
    };
    let named = signer("log.example/checkpoint").with_name(origin(log).as_str());
    let note = checkpoint.sign(&named.unwrap()).unwrap();
    Head::new(checkpoint, note, frontier)
}

#[test]
fn a_head_takes_the_place_of_the_one_that_it_was_made_from_alone() {
    let directory = Directory::new("swap");
    let (one, other) = (
        open(&directory, "here", true).unwrap(),
        open(&directory, "here", false).unwrap(),
    );
    assert!(one.head(&origin("a")).unwrap().is_none());
    let first = head("a", 3);
    assert!(one.advance(&[(None, first.clone())]).unwrap().is_empty());
    assert_eq!(
        other.head(&origin("a")).unwrap().unwrap().text(),
        first.text()
    );
    // Another node signs; what this one made of the first is not kept, another log's is.
    let next = head("a", 5);
    let swaps = [(Some(first.clone()), next.clone())];
    assert!(other.advance(&swaps).unwrap().is_empty());
    let late = [(Some(first), head("a", 4)), (None, head("b", 1))];
    let changed = one.advance(&late).unwrap();
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), [origin("a")]);
    let known = one.known(&[origin("a"), origin("b")]).unwrap();
    let size = |log: &str| known[&origin(log)].head.as_ref().unwrap().checkpoint().size;
    assert_eq!((size("a"), size("b")), (5, 1));
    // Many at once, and none left half written.
    let many: Vec<_> = (0..40).map(|i| (None, head(&format!("m{i}"), 2))).collect();
    assert!(one.advance(&many).unwrap().is_empty());
    let logs = one.folder.list("checkpoints").unwrap();
    assert_eq!(logs.len(), 42);
}

#[test]
fn a_directory_is_one_installations_and_is_not_begun_anew() {
    let directory = Directory::new("identity");
    let lost = open(&directory, "here", false);
    assert!(matches!(lost.err(), Some(StoreError::Lost(_))));
    open(&directory, "here", true).unwrap();
    open(&directory, "here", false).unwrap();
    for is_new in [true, false] {
        let foreign = open(&directory, "there", is_new);
        assert!(matches!(foreign.err(), Some(StoreError::Foreign(_))));
    }
    let (checkpoints, batches) = (
        signer("log.example/checkpoint"),
        signer("log.example/batch"),
    );
    let foreign = CheckpointStore::adopting(&directory.0, &origin("there"), checkpoints, batches);
    assert!(matches!(foreign.err(), Some(StoreError::Foreign(_))));
}

#[test]
fn what_the_key_did_not_sign_is_no_head() {
    let directory = Directory::new("forged");
    let store = open(&directory, "here", true).unwrap();
    store.advance(&[(None, head("a", 3))]).unwrap();
    let path = directory.0.join(Shelf::Checkpoints.path(&origin("a")));
    let good = fs::read_to_string(&path).unwrap();
    let other = head("b", 3);
    let (elsewhere, _) = Frontier::new().append_batch(&[Hash::of_leaf(b"elsewhere"); 3]);
    let signed = head("a", 3);
    let forged = Head::new(
        signed.checkpoint().clone(),
        signed.note().to_owned(),
        elsewhere,
    );
    for bad in [
        String::new(),
        good.replace("\n3\n", "\n4\n"),
        other.text().to_owned(),
        good.replacen("strongroom", "Strongroom", 1),
        // Another frontier than the signed root's, of the same size.
        forged.text().to_owned(),
        good.replacen("frontier ", "frontier AAAA", 1),
    ] {
        fs::write(&path, &bad).unwrap();
        let read = store.head(&origin("a"));
        assert!(
            matches!(read.err(), Some(StoreError::Malformed(..))),
            "{bad}"
        );
    }
    fs::write(&path, good).unwrap();
    assert!(store.head(&origin("a")).unwrap().is_some());
}

#[test]
fn lines_are_those_of_all_nodes_and_go_when_checkpoints_cover_them() {
    let directory = Directory::new("lines");
    let (one, other) = (
        open(&directory, "here", true).unwrap(),
        open(&directory, "here", false).unwrap(),
    );
    let line = |log: &str, size: u8| {
        let root = head(log, size).checkpoint().root;
        (origin(log), (u64::from(size), root))
    };
    one.keep_lines(&BTreeMap::from([line("a", 3), line("b", 1)]), 1)
        .unwrap();
    one.keep_lines(&BTreeMap::from([line("a", 4)]), 1).unwrap();
    other
        .keep_lines(&BTreeMap::from([line("a", 2), line("c", 9)]), 3)
        .unwrap();
    assert_eq!(one.lines().of(&origin("c")), None);
    one.read_lines_again().unwrap();
    assert_eq!(one.newest_lines()[&origin("a")].0, 4);
    assert_eq!(one.newest_lines()[&origin("c")].0, 9);
    assert_eq!(one.folder.list("lines").unwrap().len(), 2);
    // The next node to start removes what says nothing new.
    one.advance(&[(None, head("a", 4))]).unwrap();
    assert_eq!(one.take_covered()[&origin("a")], 4);
    let third = open(&directory, "here", false).unwrap();
    assert_eq!(third.folder.list("lines").unwrap().len(), 1);
    assert_eq!(third.newest_lines()[&origin("c")].0, 9);
    // And believes no file that the batch key did not sign.
    let name = third.folder.list("lines").unwrap().remove(0);
    let path = directory.0.join("lines").join(name);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\n9\n", "\n8\n")).unwrap();
    assert!(matches!(
        third.read_lines_again(),
        Err(StoreError::Malformed(..))
    ));
}

#[test]
fn the_specs_example_is_what_is_kept() {
    const SPEC: &str = include_str!("../../../../../docs/spec/checkpoint-store.md");
    let seed: Vec<u8> = (0..32).collect();
    let name: Origin = "audit.example.com/t/acme".parse().unwrap();
    let signer = Ed25519Signer::from_seed(name.as_str(), seed.as_slice().try_into().unwrap());
    let signer = signer.unwrap();
    let leaves = ["a", "b", "c"].map(|entry| Hash::of_leaf(entry.as_bytes()));
    let (frontier, _) = Frontier::new().append_batch(&leaves);
    let checkpoint = Checkpoint {
        origin: name.clone(),
        size: 3,
        root: frontier.root(),
    };
    let note = checkpoint.sign(&signer).unwrap();
    let head = Head::new(checkpoint, note, frontier);
    assert!(SPEC.contains(head.text()), "{}", head.text());
    let key = signer.verifier_key();
    assert!(Head::parse(head.text(), key, &name).is_some());
}

proptest::proptest! {
    /// Any change of a head's text is refused, or is none.
    #[test]
    fn a_changed_head_is_refused(at in 0_usize..400, with in 0_u8..=127) {
        let good = head("a", 7);
        let mut text = good.text().as_bytes().to_vec();
        let at = at % text.len();
        text[at] = with;
        let named = signer("log.example/checkpoint").with_name(origin("a").as_str()).unwrap();
        let key = named.verifier_key();
        let read = String::from_utf8(text).ok();
        let read = read.and_then(|text| Head::parse(&text, key, &origin("a")));
        if let Some(read) = read {
            proptest::prop_assert_eq!(read.checkpoint(), good.checkpoint());
        }
    }
}
