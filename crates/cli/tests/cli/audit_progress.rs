//! How far a pass over a log has come: for somebody at a terminal, and nobody else.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::audit_log::Logs;
use crate::terminal::{ERASE, Terminal};

/// A pass that somebody watches, or not.
fn pass(logs: &Logs, terminal: &Terminal, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["audit", "verify", "--log", "export", "--key", &logs.key])
        .args(more)
        .current_dir(logs.shell.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(terminal.stdio())
        .spawn()
        .unwrap()
}

/// Lets it run for a moment at a time and stops it for longer than nothing is shown at first, so
/// that on any machine a short log is a long one.
fn slowly(mut pass: Child) {
    let pid = Pid::from_child(&pass);
    while pass.try_wait().unwrap().is_none() {
        kill_process(pid, Signal::STOP).unwrap();
        sleep(Duration::from_millis(600));
        kill_process(pid, Signal::CONT).unwrap();
        sleep(Duration::from_millis(10));
    }
    assert!(pass.wait().unwrap().success());
}

#[test]
fn somebody_at_a_terminal_is_shown_how_far_a_pass_is() {
    let logs = Logs::of(4000);
    logs.export("export");
    // On a busy machine a pass may be over before it was stopped once: nothing is shown of it then.
    let shown = std::iter::repeat_with(|| {
        let terminal = Terminal::open();
        slowly(pass(&logs, &terminal, &["--threads", "1"]));
        terminal.close()
    });
    let shown = shown.take(20).find(|shown| !shown.is_empty());
    let shown = shown.expect("a line in one pass of twenty");
    let line = shown
        .strip_prefix('\r')
        .and_then(|shown| shown.split_once(ERASE))
        .unwrap_or_else(|| panic!("{shown:?}"))
        .0;
    let (done, percent) = line.split_once(" of 4000 entries, ").unwrap();
    let done: u64 = done.parse().unwrap();
    assert_eq!(percent, format!("{} %", done * 100 / 4000));
    // In the end the line is gone.
    assert!(shown.ends_with(&format!("\r{ERASE}")), "{shown:?}");

    // A program reads the output, though a terminal is there.
    let terminal = Terminal::open();
    slowly(pass(&logs, &terminal, &["--threads", "1", "--json"]));
    assert_eq!(terminal.close(), "");
}
