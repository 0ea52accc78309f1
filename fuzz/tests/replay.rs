//! Every body over its corpus and over some random input, and nothing left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use strongroom_fuzz::{BODIES, Body, Corpus, Limit, random, replay, run_one};

/// For each body: whichever comes first.
const LIMIT: Limit = Limit {
    inputs: 200_000,
    time: Duration::from_secs(2),
};

/// The same inputs at every run, unless `STRONGROOM_FUZZ_SEED` says otherwise.
const SEED: u64 = 1;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names_in(name: &str, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(name)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter_map(|name| Some(name.strip_suffix(ending)?.to_owned()))
        .collect()
}

/// Every body, on as many threads as there are processors.
fn each_body(work: impl Fn(&Body) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let work = &work;
            scope.spawn(move || BODIES.iter().skip(first).step_by(threads).for_each(work));
        }
    });
}

#[test]
fn every_body_holds_on_its_corpus() {
    each_body(|body| {
        let tally = replay(body, &Corpus::read(body.name).unwrap());
        assert!(tally.inputs > 0, "{} has no corpus", body.name);
        println!("{:28} {} files", body.name, tally.inputs);
    });
}

#[test]
fn every_body_holds_on_random_input() {
    let seed = std::env::var("STRONGROOM_FUZZ_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    each_body(|body| {
        let tally = random(body, &Corpus::read(body.name).unwrap(), seed, LIMIT);
        assert!(tally.inputs > 0, "{}", body.name);
        println!(
            "{:28} seed {seed}: {} inputs, the slowest {:?}",
            body.name, tally.inputs, tally.slowest
        );
    });
}

#[test]
fn a_body_that_fails_fails_the_run_and_keeps_its_input() {
    let body = Body {
        name: "planted",
        run: |data| assert!(data.is_empty()),
    };
    run_one(&body, b"", "this test");
    assert!(std::panic::catch_unwind(|| run_one(&body, b"x", "this test")).is_err());
    let kept = folder("artifacts").join("planted.failed");
    assert_eq!(fs::read(&kept).unwrap(), b"x");
    fs::remove_file(kept).unwrap();
}

/// The functions `pub fn name(data: &[u8])` of a file.
fn bodies_of(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let (name, parameters) = line.strip_prefix("pub fn ")?.split_once('(')?;
        let (_, kind) = parameters.split_once(')')?.0.split_once(": ")?;
        (kind == "&[u8]").then_some(name)
    })
}

#[test]
fn nothing_is_left_out() {
    let table: BTreeSet<String> = BODIES.iter().map(|body| body.name.to_owned()).collect();
    assert_eq!(table.len(), BODIES.len(), "a name stands twice");

    let mut written = BTreeSet::new();
    for module in names_in("src", ".rs") {
        let source = fs::read_to_string(folder("src").join(format!("{module}.rs"))).unwrap();
        written.extend(bodies_of(&source).map(|body| format!("{module}_{body}")));
    }
    assert_eq!(
        written, table,
        "the bodies in src/ and the table in src/lib.rs"
    );
    assert_eq!(
        names_in("corpus", ""),
        table,
        "the folders of corpus/ and the table"
    );
    assert_eq!(
        names_in("fuzz_targets", ".rs"),
        table,
        "the files of fuzz_targets/ and the table"
    );

    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &table {
        let target = fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        let called = target.split("strongroom_fuzz::").nth(1).unwrap_or_default();
        let called = called
            .split("(data)")
            .next()
            .unwrap_or_default()
            .replace("::", "_");
        assert_eq!(called, *name, "what fuzz_targets/{name}.rs calls");
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}
