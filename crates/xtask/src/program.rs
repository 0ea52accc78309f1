//! Running other programs.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::stage::Counts;

/// Runs a program on this terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| missing(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::failed(format!(
            "{} ended with {status}",
            line(command)
        )))
    }
}

/// Runs a program and answers what it wrote to its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| missing(command, &error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Failure::failed(format!(
            "{} ended with {}",
            line(command),
            output.status
        )))
    }
}

/// Runs a program, shows its standard output and counts the tests in it.
pub(crate) fn run_tests(command: &mut Command) -> Result<Counts, (Counts, Failure)> {
    let mut counts = Counts::default();
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| (counts, missing(command, &error)))?;
    if let Some(stdout) = child.stdout.take() {
        for text in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&text);
            println!("{text}");
            counts += Counts::from_result_line(&text).unwrap_or_default();
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(counts),
        Ok(status) => {
            let failure = Failure::failed(format!("{} ended with {status}", line(command)));
            Err((counts, failure))
        }
        Err(error) => Err((counts, missing(command, &error))),
    }
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|arg| arg.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

fn missing(command: &Command, error: &std::io::Error) -> Failure {
    Failure::cannot_run(format!(
        "{}: {error}",
        command.get_program().to_string_lossy()
    ))
}
