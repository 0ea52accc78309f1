//! Texts that grow while they are redacted, and who watches.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use crate::shell::Shell;

fn command(shell: &Shell, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command
        .args(line.split(' '))
        .current_dir(shell.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a program has written so far.
struct Written {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Written {
    fn of(child: &mut Child) -> Self {
        let mut stdout = child.stdout.take().unwrap();
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let so_far = Arc::clone(&bytes);
        let reader = spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut piece) {
                so_far.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    fn whole(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn half_a_value_is_held_back_and_the_rest_is_not() {
    let shell = Shell::new();
    let mut child = command(&shell, "pii redact").spawn().unwrap();
    let written = Written::of(&mut child);
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all("the first line goes out at once\nanswer to johé jo".as_bytes())
        .unwrap();
    wait_until("the first line is written", || {
        written.so_far().contains("at once\n")
    });
    sleep(Duration::from_millis(100));
    assert!(
        !written.so_far().contains("johé jo"),
        "{}",
        written.so_far()
    );
    // In the midst of a value, and of a character.
    stdin.write_all(b"hn@example.c").unwrap();
    sleep(Duration::from_millis(100));
    assert!(!written.so_far().contains("hn@"), "{}", written.so_far());
    stdin.write_all(b"om and \xc3").unwrap();
    stdin.write_all(b"\xa9 then a few words more\n").unwrap();
    wait_until("the value is replaced", || {
        written.so_far().contains("[EMAIL] and")
    });
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(
        written.whole(),
        "the first line goes out at once\nanswer to johé [EMAIL] and é then a few words more\n"
    );
}

#[test]
fn a_line_of_json_goes_out_once_it_is_whole() {
    let shell = Shell::new();
    let mut child = command(&shell, "pii redact --format jsonl")
        .spawn()
        .unwrap();
    let written = Written::of(&mut child);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"ssn\": 123456789}\n{\"ssn\"").unwrap();
    wait_until("a line is written", || {
        written.so_far() == "{\"ssn\": \"[US_SSN]\"}\n"
    });
    stdin.write_all(b": 1}").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(written.whole().ends_with("\n{\"ssn\": 1}"));
}

#[test]
fn what_is_no_text_ends_it() {
    let shell = Shell::new();
    let text = [b"mail john@example.com and so on\n".repeat(3), vec![0xff]].concat();
    let ended = shell.run_with("pii redact", text).ends_with(2);
    let ended = ended.never_says("john@example.com");
    assert!(ended.stderr.contains("standard input: not UTF-8"));
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;
    use crate::terminal::{ERASE, Terminal};

    #[test]
    fn somebody_at_a_terminal_is_shown_how_far_it_is() {
        let shell = Shell::new();
        for (line, is_shown) in [
            ("pii redact", true),
            ("pii scan", true),
            ("pii redact --json", false),
        ] {
            let terminal = Terminal::open();
            let mut redacting = command(&shell, line);
            redacting.stderr(terminal.stdio()).stdout(Stdio::null());
            let mut child = redacting.spawn().unwrap();
            drop(redacting);
            let mut stdin = child.stdin.take().unwrap();
            let begun = Instant::now();
            let long_enough = Duration::from_secs(if is_shown { 60 } else { 2 });
            while begun.elapsed() < long_enough && !terminal.shown().contains(ERASE) {
                stdin.write_all(b"nothing to be seen here\n").unwrap();
                sleep(Duration::from_millis(5));
            }
            drop(stdin);
            assert!(child.wait().unwrap().success());
            let shown = terminal.close();
            if is_shown {
                let (line, _) = shown.split_once(ERASE).unwrap();
                assert!(line.ends_with("B/s"), "{line:?}");
                assert!(shown.ends_with(&format!("\r{ERASE}")), "{shown:?}");
            } else {
                assert_eq!(shown, "");
            }
        }
    }

    /// Whoever ends it must not find half a file in the place of a whole one, nor beside it.
    #[test]
    fn a_signal_leaves_files_as_they_were() {
        let shell = Shell::new();
        fs::create_dir(shell.path("in")).unwrap();
        let text = "mail john@example.com and so on\n".repeat(400_000);
        let redacted = text.replace("john@example.com", "[EMAIL]");
        let hidden = || {
            let names = fs::read_dir(shell.path("in")).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name());
            names.filter(|name| name != "long").count()
        };
        // It may be done with the whole file before the signal is: then it begins anew.
        for _ in 0..20 {
            shell.file("in/long", &text);
            let mut child = command(&shell, "pii redact --in-place in").spawn().unwrap();
            let mut ended = None;
            wait_until("a file is begun", || {
                ended = child.try_wait().unwrap();
                ended.is_some() || hidden() == 1
            });
            if let Some(status) = ended {
                assert!(status.success());
                continue;
            }
            kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
            let status = child.wait().unwrap();
            assert_eq!(hidden(), 0);
            let left = fs::read_to_string(shell.path("in/long")).unwrap();
            if left == redacted {
                continue;
            }
            assert!(!status.success());
            assert!(left == text, "{} bytes of {}", left.len(), text.len());
            return;
        }
        panic!("it is always done before the signal");
    }
}
