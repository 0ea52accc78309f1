//! `--threads`: who works on a long record, which is the same by however many.

use super::long::MIB;
use super::{Envelope, LONG, long};

#[test]
fn any_number_of_threads_opens_what_any_other_sealed() {
    let envelope = Envelope::new();
    // More than the threads' batches hold, and no whole number of chunks.
    let plaintext = long().repeat(3 * MIB / LONG + 1);
    let mut lengths = Vec::new();
    let numbers = ["1", "2", "5", "0", "auto"];
    for sealing in numbers {
        let line = format!("seal --threads {sealing} --out {sealing}");
        envelope.verb_with(&line, &plaintext).ends_with(0);
        lengths.push(envelope.read(sealing).len());
        for opening in numbers {
            let line = format!("open --threads {opening} {sealing}");
            let opened = envelope.verb(&line).ends_with(0);
            assert!(opened.stdout == plaintext, "{sealing} and {opening}");
        }
    }
    lengths.dedup();
    assert_eq!(lengths.len(), 1);
}

/// What was sealed on one thread is refused on several where it is on one.
#[test]
fn threads_open_nothing_that_was_altered() {
    let envelope = Envelope::with_record(vec![7; 2 * MIB]);
    let mut sealed = envelope.read("record");
    sealed[MIB] ^= 1;
    envelope.0.file("record", sealed);
    let refused = ["1", "3"].map(|threads| {
        let line = format!("open --context row=17 --threads {threads} record");
        let refused = envelope.verb(&line).ends_with(1);
        assert!(refused.stderr.contains("incomplete"), "{}", refused.stderr);
        refused.stdout
    });
    assert!(refused[0] == refused[1]);
    assert!(refused[0].len() < MIB && refused[0].iter().all(|byte| *byte == 7));
    let whole = envelope.verb("open --context row=17 --threads 3 --out whole record");
    whole.ends_with(1);
    assert_eq!(envelope.files(), ["record"]);
}

#[cfg(target_os = "linux")]
#[test]
fn as_many_threads_work_as_were_asked_for() {
    use std::fs;
    use std::io::Write as _;
    use std::process::Child;

    use super::long::{start, wait, wait_until};

    let threads = |child: &Child| {
        let tasks = format!("/proc/{}/task", child.id());
        fs::read_dir(tasks).unwrap().count()
    };
    let envelope = Envelope::with_record(vec![7; 4 * MIB]);
    let sealed = envelope.read("record");
    for (line, input) in [
        ("seal --out new", vec![7; 4 * MIB]),
        ("open --context row=17 --out new", sealed),
    ] {
        let counts = [1, 4].map(|number| {
            let (mut child, mut stdin) = start(&envelope, &format!("{line} --threads {number}"));
            // When so much was taken, the work has begun.
            stdin.write_all(&input[..3 * MIB]).unwrap();
            let others = if number > 1 { number } else { 0 };
            wait_until("its threads are there", || threads(&child) > others);
            let count = threads(&child);
            stdin.write_all(&input[3 * MIB..]).unwrap();
            drop(stdin);
            assert!(wait(&mut child).success());
            fs::remove_file(envelope.0.path("new")).unwrap();
            count
        });
        assert_eq!(counts[1] - counts[0], 4, "{line}");
    }
}

#[test]
fn what_is_no_number_of_threads_is_refused() {
    let envelope = Envelope::new();
    for verb in ["seal", "open"] {
        for number in ["257", "-1", "many", "1.5"] {
            let refused = envelope.verb(&format!("{verb} --threads={number}"));
            let refused = refused.ends_with(2);
            let said = "expected `auto` or 0 to 256";
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
        }
        let help = envelope.0.run(&format!("envelope {verb} --help"));
        let help = help.ends_with(0);
        assert!(help.text().contains("--threads <N>"), "{}", help.text());
        assert!(help.text().contains("--threads auto"), "{}", help.text());
    }
}
