//! Records of which only a part is in memory at a time.

use std::fs;
use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Envelope;
use crate::shell::TENANT;

pub(super) const MIB: usize = 1024 * 1024;

/// A verb that is to read what is written to it.
pub(super) fn command(envelope: &Envelope, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    let (verb, rest) = line.split_once(' ').unwrap();
    command.args(["envelope", verb, "--keyring", "keys", "--tenant", TENANT]);
    command.args(rest.split(' '));
    command.current_dir(envelope.0.path("."));
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts it.
pub(super) fn start(envelope: &Envelope, line: &str) -> (Child, ChildStdin) {
    let mut child = command(envelope, line).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    (child, stdin)
}

#[track_caller]
pub(super) fn wait(child: &mut Child) -> ExitStatus {
    wait_until("it ends", || child.try_wait().unwrap().is_some());
    child.wait().unwrap()
}

#[track_caller]
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        sleep(Duration::from_millis(5));
    }
}

/// The most memory that a process had at once, in KiB.
#[cfg(target_os = "linux")]
fn peak(process: &Child) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let digits = line.unwrap().split_ascii_whitespace().nth(1);
    digits.unwrap().parse().unwrap()
}

/// Feeds the input and returns how much more memory the last of it took than the first.
#[cfg(target_os = "linux")]
fn growth(envelope: &Envelope, line: &str, input: &[u8]) -> usize {
    let (mut child, mut stdin) = start(envelope, line);
    let (first, rest) = input.split_at(2 * MIB);
    stdin.write_all(first).unwrap();
    let before = peak(&child);
    stdin.write_all(rest).unwrap();
    let after = peak(&child);
    drop(stdin);
    assert!(wait(&mut child).success());
    after - before
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_record() {
    let envelope = Envelope::new();
    let plaintext = vec![7; 64 * MIB];
    let sealing = growth(&envelope, "seal --out record", &plaintext);
    let sealed = envelope.read("record");
    let opening = growth(&envelope, "open --out opened", &sealed);
    assert!(
        sealing < 2048 && opening < 2048,
        "{sealing} and {opening} KiB"
    );
    assert!(envelope.read("opened") == plaintext);
}

/// Somebody who gives up finds nothing half done.
#[cfg(unix)]
#[test]
fn an_interrupted_command_leaves_no_file() {
    use std::os::unix::process::ExitStatusExt as _;

    let envelope = Envelope::new();
    envelope
        .verb_with("seal --out record", vec![7; MIB])
        .ends_with(0);
    let sealed = envelope.read("record");
    for (line, input) in [("seal --out new", vec![7; MIB]), ("open --out new", sealed)] {
        for (signal, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
            let (mut child, mut stdin) = start(&envelope, line);
            stdin.write_all(&input[..MIB / 2]).unwrap();
            wait_until("a file has been begun", || envelope.files().len() == 2);
            assert!(!envelope.files().contains(&"new".to_owned()));
            let id = child.id().to_string();
            let sent = Command::new("kill").args([signal, &id]).status().unwrap();
            assert!(sent.success());
            let ended = wait(&mut child);
            assert_eq!(ended.signal(), Some(number), "{line} {ended}");
            assert_eq!(envelope.files(), ["record"], "{line} {signal}");
        }
    }
}

/// A name that was free at the start is not free for ever.
#[test]
fn a_file_that_comes_meanwhile_is_left_alone() {
    let envelope = Envelope::new();
    let (mut child, mut stdin) = start(&envelope, "seal --out record");
    stdin.write_all(b"sk-example").unwrap();
    wait_until("a file has been begun", || envelope.files().len() == 1);
    envelope.0.file("record", "another's");
    drop(stdin);
    assert_eq!(wait(&mut child).code(), Some(2));
    assert_eq!(envelope.read("record"), b"another's");
    assert_eq!(envelope.files(), ["record"]);
}

/// A reader that has had enough, such as `head`, ends the command.
#[test]
fn a_closed_pipe_ends_the_command() {
    let envelope = Envelope::new();
    envelope
        .verb_with("seal --out record", vec![7; 4 * MIB])
        .ends_with(0);
    let mut child = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["envelope", "open", "--keyring", "keys", "--tenant", TENANT])
        .arg("record")
        .current_dir(envelope.0.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.starts_with("strongroom: writing: "), "{said}");
}
