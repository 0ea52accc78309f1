//! Whole logs: made, appended to, checkpointed, proved, exported, verified and followed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::shell::{Run, Shell, TENANT, assert_private};

const STORE: &str = "--zone z0 --zone z1 --zone z2 --signed signed --key audit.key";
const ORIGIN: &str = "audit.example.com/t/acme";

/// A store of three zones.
pub(crate) struct Logs {
    pub(crate) shell: Shell,
    pub(crate) key: String,
    batch_key: String,
}

impl Logs {
    fn new() -> Self {
        let shell = Shell::new();
        let line = format!(
            "audit init {STORE} --quorum 2 --name audit.example.com/batch --origin {ORIGIN} --json"
        );
        let told = shell.run(&line).ends_with(0).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            shell,
            key: text(&told["log_keys"][0]),
            batch_key: text(&told["batch_key"]),
        }
    }

    /// A store with a log of so many entries with payloads, of which all are published.
    pub(crate) fn of(count: u64) -> Self {
        let logs = Self::new();
        let events: Vec<_> = (0..count).map(event).collect();
        logs.append("--in-clear", &events).ends_with(0);
        logs.checkpoint();
        logs
    }

    fn append(&self, how: &str, events: &[Value]) -> Run {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        let line = format!("audit append {STORE} --origin {ORIGIN} --json {how}");
        self.shell.run_with(line.trim_end(), lines)
    }

    fn checkpoint(&self) {
        self.shell
            .run(&format!("audit checkpoint {STORE}"))
            .ends_with(0);
    }

    pub(crate) fn export(&self, out: &str) {
        let key = &self.key;
        let line = format!("audit export --log z0 --key {key} --payloads --out {out}");
        self.shell.run(&line).ends_with(0);
    }

    pub(crate) fn verify(&self, log: &str, more: &str) -> Run {
        let line = format!("audit verify --log {log} --key {} --json {more}", self.key);
        self.shell.run(line.trim_end())
    }

    /// Changes the last byte of a file.
    fn tamper(&self, path: &str) {
        let path = self.shell.path(path);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
}

fn event(number: u64) -> Value {
    json!({
        "kind": "chat.completed",
        "source": "gateway",
        "actor": format!("agent:{TENANT}"),
        "resource": format!("number/{number}"),
        "payload": {"prompt": format!("hello {number}")},
    })
}

fn lines(run: &Run) -> Vec<Value> {
    let lines = run.text().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_store_is_made_once_and_its_key_is_private() {
    let logs = Logs::new();
    let text = fs::read_to_string(logs.shell.path("audit.key")).unwrap();
    assert_private(&logs.shell.path("audit.key"));
    let seed = text.lines().last().unwrap().strip_prefix("seed ").unwrap();
    let again = format!("audit init {STORE} --name audit.example.com/batch");
    let again = logs.shell.run(&again).ends_with(2).never_says(seed);
    assert!(again.stderr.contains("audit.key"), "{}", again.stderr);
    assert_eq!(
        fs::read_to_string(logs.shell.path("audit.key")).unwrap(),
        text
    );
    logs.shell.file("audit.key", text.replace("v1", "v2"));
    let refused = logs.append("--in-clear", &[event(0)]).ends_with(2);
    refused.never_says(seed);
}

#[test]
fn receipts_come_in_order_and_hold() {
    let logs = Logs::new();
    let given = "018bcfe5-6800-7101-8101-010101010101";
    let mut events: Vec<_> = (0..3).map(event).collect();
    events[1]["id"] = given.into();
    let told = lines(&logs.append("--in-clear", &events).ends_with(0));
    let indices: Vec<_> = told
        .iter()
        .map(|it| it["index"].as_str().unwrap())
        .collect();
    assert_eq!(indices, ["0", "1", "2"]);
    assert_eq!(
        (&told[1]["id"], &told[1]["zones"]),
        (&given.into(), &json!(2))
    );
    for line in &told {
        logs.shell
            .file("receipt", line["receipt"].as_str().unwrap());
        let line = format!(
            "audit verify --receipt receipt --batch-key {}",
            logs.batch_key
        );
        logs.shell.run(&line).ends_with(0);
    }
    // Nobody knows whether it came through: it is given again, and is there once.
    let again = lines(&logs.append("--in-clear", &events[1..2]).ends_with(0));
    assert_eq!(again[0]["index"], "1");
    let last = lines(&logs.append("--in-clear", &[event(3)]).ends_with(0));
    assert_eq!(last[0]["index"], "3");
}

#[test]
fn what_is_no_event_is_refused_by_its_member() {
    let logs = Logs::new();
    for (member, value) in [
        ("id", json!("no id")),
        ("id", json!(7)),
        ("time_us", json!("-1")),
        ("kind", json!("Not A Kind")),
        ("source", Value::Null),
        ("actor", json!("nobody")),
        ("on_behalf_of", json!(["nobody"])),
        ("outcome", json!("maybe")),
        ("reason", json!("why_not")),
        ("policy", json!("ab")),
        ("payload", json!({"prompt": 1})),
        ("commitments", json!([])),
    ] {
        let mut wrong = event(0);
        wrong[member] = value;
        let told = logs.append("--in-clear", &[wrong]).ends_with(2);
        assert!(told.stderr.contains("line 1: "), "{}", told.stderr);
        assert!(told.stderr.contains(member), "{member}: {}", told.stderr);
    }
    // What stands before it is appended, and says so.
    let mut wrong = event(1);
    wrong["kind"] = "no kind".into();
    let told = logs
        .append("--in-clear", &[event(0), wrong, event(2)])
        .ends_with(2);
    assert_eq!(lines(&told).len(), 1);
    // A payload is not kept in clear unless somebody says so.
    let told = logs.append("", &[event(0)]).ends_with(2);
    assert!(told.stderr.contains("--in-clear"), "{}", told.stderr);
}

#[test]
fn an_intact_log_is_intact_wherever_it_is() {
    let logs = Logs::of(300);
    logs.append("--in-clear", &[event(300)]).ends_with(0);
    logs.checkpoint();
    logs.export("folder");
    logs.export("one.tar");
    logs.export("two.tar");
    let archive = |name: &str| fs::read(logs.shell.path(name)).unwrap();
    assert_eq!(archive("one.tar"), archive("two.tar"));
    let zone = format!("--origin {ORIGIN} --threads 2");
    for (log, more) in [("z2", zone.as_str()), ("folder", ""), ("one.tar", "")] {
        let told = logs.verify(log, more).ends_with(0).json();
        assert_eq!(told["valid"], true);
        assert_eq!(
            (&told["signed"], &told["checkpoints"]),
            (&"301".into(), &json!(2))
        );
        assert_eq!(told["payloads_checked"], "301");
    }
    // An export is not written over another.
    let key = &logs.key;
    for out in ["folder", "one.tar"] {
        let line = format!("audit export --log z0 --key {key} --out {out}");
        logs.shell.run(&line).ends_with(2);
    }
    assert_eq!(archive("one.tar"), archive("two.tar"));
    let bare = format!("audit export --log z0 --key {key} --out bare.tar");
    logs.shell.run(&bare).ends_with(0);
    let told = logs.verify("bare.tar", "").ends_with(0).json();
    assert_eq!(told["payloads_checked"], "0");
}

#[test]
fn what_was_done_to_an_export_is_named() {
    let logs = Logs::of(300);
    for (path, index, kind) in [
        ("tile/entries/001.p/44", Some("299"), "leaf"),
        ("tile/0/000", Some("255"), "tile"),
        ("tile/1/000.p/1", Some("0"), "tile"),
        ("payload/000", Some("255"), "payload"),
        ("checkpoints/300", None, "checkpoint"),
    ] {
        let out = format!("changed-{kind}-{}", path.len());
        logs.export(&out);
        logs.tamper(&format!("{out}/{path}"));
        let told = logs.verify(&out, "").ends_with(1).json();
        let first = &told["findings"][0];
        assert_eq!(told["valid"], false, "{path}");
        assert_eq!(first["kind"], kind, "{path}: {told}");
        assert_eq!(first["index"].as_str(), index, "{path}: {told}");
        let line = format!("audit verify --log {out} --key {}", logs.key);
        let text = logs.shell.run(&line).ends_with(1);
        assert!(text.text().contains("findings: "), "{}", text.text());
    }
    for (name, path) in [
        ("missing", "tile/entries/000"),
        ("payload", "payload/001.p/44"),
    ] {
        let out = format!("without-{name}");
        logs.export(&out);
        fs::remove_file(logs.shell.path(&format!("{out}/{path}"))).unwrap();
        let told = logs.verify(&out, "").ends_with(1).json();
        assert_eq!(told["findings"][0]["kind"], name);
    }
    // Of another log, under another key, or no export at all.
    logs.export("folder");
    let other = format!("audit verify --log folder --key {}", logs.batch_key);
    logs.shell.run(&other).ends_with(2);
    logs.verify("nowhere", "").ends_with(2);
    logs.verify("signed", "").ends_with(2);
    logs.shell.file("broken.tar", vec![7; 2000]);
    logs.verify("broken.tar", "").ends_with(2);
}

#[test]
fn a_log_that_was_set_back_is_told_by_what_was_kept() {
    let logs = Logs::of(3);
    logs.export("old");
    logs.append("--in-clear", &[event(3)]).ends_with(0);
    logs.checkpoint();
    logs.export("new");
    logs.verify("old", "").ends_with(0);
    let told = logs
        .verify("old", "--checkpoint-kept new/checkpoint")
        .ends_with(1);
    assert_eq!(told.json()["findings"][0]["kind"], "truncated");
    logs.verify("new", "--checkpoint-kept old/checkpoint")
        .ends_with(0);
}

#[test]
fn a_cursor_is_moved_only_by_a_pass_that_found_nothing() {
    let logs = Logs::of(300);
    logs.export("first");
    logs.verify("first", "--cursor cursor").ends_with(0);
    let cursor = || fs::read_to_string(logs.shell.path("cursor")).unwrap();
    let first = cursor();
    assert!(first.contains("\nsize 300\n"), "{first}");
    logs.append("--in-clear", &[event(300)]).ends_with(0);
    logs.checkpoint();
    logs.export("second");
    logs.tamper("second/tile/entries/001.p/45");
    logs.verify("second", "--cursor cursor").ends_with(1);
    assert_eq!(cursor(), first);
    logs.export("third");
    let told = logs.verify("third", "--cursor cursor").ends_with(0).json();
    assert_eq!(
        (&told["verified_from"], &told["entries"]),
        (&"256".into(), &"45".into())
    );
    assert!(cursor().contains("\nsize 301\n"));
    logs.shell
        .file("cursor", first.replace("size 300", "size 301"));
    logs.verify("third", "--cursor cursor").ends_with(2);
}

#[test]
fn what_stands_in_a_log_is_proved() {
    let logs = Logs::of(300);
    logs.export("log.tar");
    let prove = |what: &str| logs.shell.run(&format!("audit prove --log log.tar {what}"));
    let leaves = logs.shell.run("audit tail --log log.tar").ends_with(0);
    let leaves = lines(&leaves);
    assert_eq!(leaves.len(), 300);
    assert_eq!(leaves[7]["event"]["resource"], "number/7");
    let leaf = STANDARD
        .decode(leaves[7]["leaf"].as_str().unwrap())
        .unwrap();
    logs.shell.file("leaf", leaf);
    logs.shell
        .file("proof", prove("--index 7").ends_with(0).stdout);
    let key = &logs.key;
    let verify = format!("audit verify --proof proof --leaf leaf --key {key}");
    logs.shell.run(&verify).ends_with(0);
    logs.shell
        .file("proof", prove("--index 8").ends_with(0).stdout);
    logs.shell.run(&verify).ends_with(1);
    let several = prove("--index 9 --index 3").ends_with(0);
    assert!(
        several.text().contains("\nindex 3\nindex 9\n"),
        "{}",
        several.text()
    );
    let range = prove("--from 10 --to 20").ends_with(0);
    assert!(
        range.text().contains("\nfrom 10\nto 20\n"),
        "{}",
        range.text()
    );
    let hashes = prove("--consistent-with 256").ends_with(0);
    assert_eq!(hashes.text().lines().count(), 1);
    for outside in [
        "--index 300",
        "--from 10 --to 301",
        "--consistent-with 301",
        "--index 1 --size 7",
    ] {
        prove(outside).ends_with(2);
    }
    // Proofs are not made of tiles that lead to no signed root.
    logs.export("changed");
    logs.tamper("changed/tile/0/000");
    logs.shell
        .run("audit prove --log changed --index 7")
        .ends_with(1);
}

#[test]
fn payloads_are_sealed_under_a_tenant_s_key() {
    let logs = Logs::new();
    let ring = format!("envelope keyring-new --keyring keys --tenant {TENANT}");
    logs.shell.run(&ring).ends_with(0);
    let how = format!("--keyring keys --tenant {TENANT}");
    logs.append(&how, &[event(0)]).ends_with(0);
    logs.checkpoint();
    logs.export("log");
    let told = logs.verify("log", "").ends_with(0).json();
    assert_eq!(told["payloads_sealed_not_checked"], "1");
    assert_eq!(told["payloads_checked"], "0");
    let bundle = fs::read(logs.shell.path("log/payload/000.p/1")).unwrap();
    assert!(!bundle.windows(5).any(|it| it == b"hello"));
    // It opens, and is what the entry commits to.
    logs.shell.file("sealed", &bundle[4..]);
    let tail = lines(&logs.shell.run("audit tail --log log").ends_with(0));
    let id = tail[0]["event"]["id"].as_str().unwrap();
    let open = format!(
        "envelope open {how} --context purpose=audit-payload --context event={id} --out open sealed"
    );
    logs.shell.run(&open).ends_with(0);
    let opened = fs::read(logs.shell.path("open")).unwrap();
    assert!(opened.windows(7).any(|it| it == b"hello 0"));
}

/// The second implementation; none where there is no Python for it.
fn second(logs: &Logs, arguments: &[&str]) -> Option<Output> {
    let required = std::env::var_os("ENVELOPE_PYTHON");
    let python = required.clone().unwrap_or_else(|| "python3".into());
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../auditchain/tests/verify_audit.py");
    let mut has = Command::new(&python);
    let has = has.args(["-c", "import cryptography"]).output();
    if required.is_none() && !has.is_ok_and(|it| it.status.success()) {
        return None;
    }
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(program)
        .arg(&logs.key)
        .args(arguments);
    Some(command.current_dir(logs.shell.path("")).output().unwrap())
}

#[test]
fn the_second_implementation_agrees() {
    let logs = Logs::of(300);
    logs.append("--in-clear", &[event(300)]).ends_with(0);
    logs.checkpoint();
    logs.export("log");
    logs.export("log.tar");
    let proof = logs
        .shell
        .run("audit prove --log log --index 7")
        .ends_with(0);
    logs.shell.file("proof", proof.stdout);
    let tail = lines(&logs.shell.run("audit tail --log log --from 7").ends_with(0));
    let leaf = STANDARD.decode(tail[0]["leaf"].as_str().unwrap()).unwrap();
    logs.shell.file("leaf", &leaf).file("other", &leaf[1..]);
    let says = |arguments: &[&str], expected: &str| {
        let Some(output) = second(&logs, arguments) else {
            return;
        };
        let told = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() != expected.is_empty(),
            "{arguments:?} {told} {error}"
        );
        assert_eq!(told.trim_end(), expected, "{error}");
    };
    says(&["log"], "301 entries, 2 checkpoints");
    says(&["log.tar"], "301 entries, 2 checkpoints");
    says(&["log/checkpoint"], "size 301");
    says(&["proof", "leaf"], "entry 7 of 301");
    says(&["proof", "other"], "");
    for path in [
        "tile/entries/000",
        "tile/entries/001.p/45",
        "tile/0/000",
        "tile/0/001.p/45",
        "tile/1/000.p/1",
        "checkpoint",
        "checkpoints/300",
    ] {
        let path = format!("log/{path}");
        let whole = fs::read(logs.shell.path(&path)).unwrap();
        // Not the last byte of a checkpoint: that is its last line's end.
        let mut changed = whole.clone();
        let at = changed.len() - 5;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        logs.shell.file(&path, changed);
        says(&["log"], "");
        logs.shell.file(&path, whole);
    }
    says(&["log"], "301 entries, 2 checkpoints");
}

/// Whoever follows a log is told of entries once a checkpoint covers them.
#[test]
fn a_log_is_followed_as_it_grows() {
    let logs = Logs::of(2);
    let mut following = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    let line = format!("audit tail --log z1 --origin {ORIGIN} --from 1 --follow");
    following
        .args(line.split(' '))
        .current_dir(logs.shell.path(""));
    let mut following = following.stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&told.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["index"], "1");
    logs.append("--in-clear", &[event(2)]).ends_with(0);
    logs.checkpoint();
    let new = next();
    following.kill().unwrap();
    following.wait().unwrap();
    assert_eq!(
        (&new["index"], &new["event"]["resource"]),
        (&"2".into(), &"number/2".into())
    );
}

/// Nobody's symbolic link is followed out of an export.
#[cfg(target_os = "linux")]
#[test]
fn no_link_leads_out_of_an_export() {
    let logs = Logs::of(3);
    logs.export("log");
    logs.shell.file(
        "outside",
        fs::read(logs.shell.path("log/checkpoint")).unwrap(),
    );
    fs::remove_file(logs.shell.path("log/checkpoint")).unwrap();
    let link = logs.shell.path("log/checkpoint");
    std::os::unix::fs::symlink("../outside", link).unwrap();
    logs.verify("log", "").ends_with(2);
}
