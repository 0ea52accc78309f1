//! The line that tells how far a long record has come: for somebody at a terminal, and nobody else.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Envelope;
use super::long::{MIB, command, wait, wait_until};
use crate::terminal::{ERASE, Terminal};

/// More than the time for which nothing is shown yet.
const LONG_ENOUGH: Duration = Duration::from_millis(1000);

/// Gives a mebibyte, and then a little at a time, for as long as it takes.
fn feed(stdin: &mut ChildStdin, input: &[u8], mut is_enough: impl FnMut() -> bool) {
    let (first, rest) = input.split_at(MIB);
    stdin.write_all(first).unwrap();
    for part in rest.chunks(1000) {
        if is_enough() {
            break;
        }
        sleep(Duration::from_millis(5));
        stdin.write_all(part).unwrap();
    }
}

fn end(mut child: Child, stdin: ChildStdin) {
    drop(stdin);
    assert!(wait(&mut child).success());
}

#[test]
fn somebody_at_a_terminal_is_shown_how_far_it_is() {
    let envelope = Envelope::new();
    let terminal = Terminal::open();
    let mut sealing = command(&envelope, "seal --out record");
    sealing.stderr(terminal.stdio());
    let mut child = sealing.spawn().unwrap();
    drop(sealing);
    let mut stdin = child.stdin.take().unwrap();
    feed(&mut stdin, &vec![7; 8 * MIB], || {
        terminal.shown().contains(ERASE)
    });
    wait_until("a line is shown", || terminal.shown().contains(ERASE));
    end(child, stdin);
    let shown = terminal.close();
    let line = shown
        .strip_prefix('\r')
        .unwrap()
        .split_once(ERASE)
        .unwrap()
        .0;
    let (done, rate) = line.split_once(", ").unwrap();
    assert!(done.ends_with("iB") && rate.ends_with("iB/s"), "{line}");
    // In the end the line is gone.
    assert!(shown.ends_with(&format!("\r{ERASE}")), "{shown:?}");
}

/// What a program reads has no such line in it.
#[test]
fn nobody_else_is_shown_anything() {
    let envelope = Envelope::with_record(vec![b'x'; 4 * MIB]);
    let sealed = envelope.read("record");
    let plaintext = vec![b'x'; 4 * MIB];
    let for_long = || {
        // It is asked when the program has taken the first part, and so begun.
        let mut started = None;
        move || started.get_or_insert_with(Instant::now).elapsed() > LONG_ENOUGH
    };

    // A program reads the output, though a terminal is there.
    let terminal = Terminal::open();
    let mut sealing = command(&envelope, "seal --json --out one");
    sealing.stderr(terminal.stdio()).stdout(Stdio::piped());
    let mut child = sealing.spawn().unwrap();
    drop(sealing);
    let mut stdin = child.stdin.take().unwrap();
    feed(&mut stdin, &plaintext, for_long());
    end(child, stdin);
    assert_eq!(terminal.close(), "");

    // Standard error goes to a log.
    let mut child = command(&envelope, "seal --out two").spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut log = child.stderr.take().unwrap();
    feed(&mut stdin, &plaintext, for_long());
    end(child, stdin);
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");

    // The terminal shows the plaintext itself.
    let terminal = Terminal::open();
    let mut opening = command(&envelope, "open --context row=17");
    opening.stderr(terminal.stdio()).stdout(terminal.stdio());
    let mut child = opening.spawn().unwrap();
    drop(opening);
    let mut stdin = child.stdin.take().unwrap();
    feed(&mut stdin, &sealed, for_long());
    drop(stdin);
    wait(&mut child);
    let shown = terminal.close();
    assert!(!shown.contains(ERASE) && shown.contains("xxx"));
}
