//! Sabotage, one line at a time: a test that stays green then proves nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::failure::{At as _, Failure};
use crate::mutations::{self, Mutation};
use crate::program;
use crate::project::Project;
use crate::stage::{Counts, Outcome};

/// How long one test may take; a sabotage that hangs it has not turned it red.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which sabotages to try.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Try this one alone
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Try one part of several, such as 1/2, for checkouts side by side
    #[arg(long, value_name = "K/N", conflicts_with = "only")]
    part: Option<Part>,
    /// Print the names with their tests and do nothing
    #[arg(long)]
    list: bool,
}

/// One of several parts of the table, each a run of neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    number: usize,
    of: usize,
}

/// The text is not such a part.
#[derive(Debug, thiserror::Error)]
#[error("expected K/N, with K from 1 to N")]
struct NotAPart;

impl FromStr for Part {
    type Err = NotAPart;

    fn from_str(text: &str) -> Result<Self, NotAPart> {
        let (number, of) = text.split_once('/').ok_or(NotAPart)?;
        let part = Self {
            number: number.parse().map_err(|_| NotAPart)?,
            of: of.parse().map_err(|_| NotAPart)?,
        };
        let is_one = (1..=part.of).contains(&part.number);
        is_one.then_some(part).ok_or(NotAPart)
    }
}

impl Part {
    /// Which places of a table of `length` are its own.
    fn places(self, length: usize) -> Range<usize> {
        length * (self.number - 1) / self.of..length * self.number / self.of
    }
}

/// A copy of the checkout, in which things are broken.
struct Workshop {
    copy: Project,
    logs: std::path::PathBuf,
}

/// How a test run ended.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Green(u64),
    Red,
    NotBuilt,
    NoTestFailed,
    Hung,
}

/// Tries the chosen sabotages; every one must be caught.
pub(crate) fn run(project: &Project, options: &Options) -> Result<(), Failure> {
    if options.list {
        for mutation in mutations::all() {
            println!(
                "{:32} {}\n{:32} cargo test {}",
                mutation.name, mutation.file, "", mutation.test
            );
        }
        return Ok(());
    }
    match check(project, options) {
        Ok(counts) => {
            println!("{} passed, 0 failed", counts.passed);
            Ok(())
        }
        Err((counts, failure)) => {
            eprintln!("error: {failure}");
            println!("{} passed, {} failed", counts.passed, counts.failed.max(1));
            Err(Failure::Reported)
        }
    }
}

/// As [`run`], counted as a stage's tests.
pub(crate) fn check(project: &Project, options: &Options) -> Outcome {
    let mut counts = Counts::default();
    let mut survivors = Vec::new();
    let tried = (|| {
        let workshop = Workshop::open(project)?;
        let mut unharmed = BTreeMap::new();
        for mutation in chosen(options)? {
            let begun = Instant::now();
            let answer = workshop.try_one(mutation, &mut unharmed)?;
            println!(
                "{:32} {:4.0} s  {answer}",
                mutation.name,
                begun.elapsed().as_secs_f64()
            );
            if answer == CAUGHT {
                counts.passed += 1;
            } else {
                counts.failed += 1;
                survivors.push(mutation.name);
            }
        }
        Ok(())
    })();
    match tried {
        Err(failure) => Err((counts, failure)),
        Ok(()) if survivors.is_empty() => Ok(counts),
        Ok(()) => Err((
            counts,
            Failure::failed(format!("not caught: {}", survivors.join(", "))),
        )),
    }
}

const CAUGHT: &str = "caught";

fn chosen(options: &Options) -> Result<Vec<&'static Mutation>, Failure> {
    let wanted = |mutation: &&Mutation| {
        options
            .only
            .as_ref()
            .is_none_or(|only| only == mutation.name)
    };
    let all: Vec<_> = mutations::all().filter(wanted).collect();
    let places = options
        .part
        .map_or(0..all.len(), |part| part.places(all.len()));
    let chosen = all.get(places).unwrap_or_default().to_vec();
    if chosen.is_empty() {
        return Err(Failure::cannot_run(
            "no sabotage of this name: --list prints them",
        ));
    }
    Ok(chosen)
}

impl Mutation {
    /// The sabotaged text.
    fn apply(&self, text: &str) -> Result<String, Failure> {
        match text.matches(self.find).count() {
            1 => Ok(text.replacen(self.find, self.replace, 1)),
            n => Err(Failure::failed(format!(
                "{}: the text to sabotage occurs {n} times in {}",
                self.name, self.file
            ))),
        }
    }
}

impl Workshop {
    /// Brings the copy up to date. Only files that differ are written: the others keep their
    /// times, so that cargo builds only what changed.
    fn open(project: &Project) -> Result<Self, Failure> {
        let top = project.target.join("mutate");
        let copy = Project {
            root: top.join("tree"),
            target: top.join("target"),
        };
        let files = project.files()?;
        for stale in copied_files(&copy.root, Path::new(""))? {
            if files.binary_search(&stale).is_err() {
                let path = copy.root.join(stale);
                fs::remove_file(&path).at(&path)?;
            }
        }
        for file in &files {
            let (from, to) = (project.root.join(file), copy.root.join(file));
            let bytes = fs::read(&from).at(&from)?;
            if fs::read(&to).is_ok_and(|known| known == bytes) {
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).at(folder)?;
            }
            fs::write(&to, bytes).at(&to)?;
        }
        let logs = top.join("logs");
        fs::create_dir_all(&logs).at(&logs)?;
        Ok(Self { copy, logs })
    }

    fn try_one(
        &self,
        mutation: &'static Mutation,
        unharmed: &mut BTreeMap<&'static str, bool>,
    ) -> Result<String, Failure> {
        let path = self.copy.root.join(mutation.file);
        let whole = fs::read_to_string(&path).at(&path)?;
        let broken = mutation.apply(&whole)?;
        if !unharmed.contains_key(mutation.test) {
            let verdict = self.test(mutation, "unharmed")?;
            unharmed.insert(mutation.test, matches!(verdict, Verdict::Green(1..)));
        }
        if !unharmed.get(mutation.test).copied().unwrap_or_default() {
            return Ok(format!(
                "NOT TRIED: without the sabotage `{}` is not green",
                mutation.test
            ));
        }
        fs::write(&path, broken).at(&path)?;
        let verdict = self.test(mutation, "sabotaged");
        fs::write(&path, whole).at(&path)?;
        Ok(match verdict? {
            Verdict::Red => CAUGHT.to_owned(),
            Verdict::Green(_) => format!("SURVIVED `cargo test {}`", mutation.test),
            Verdict::NotBuilt => "NOT TRIED: the sabotage does not compile".to_owned(),
            Verdict::NoTestFailed => {
                "NOT CAUGHT: the run broke off before a test failed".to_owned()
            }
            Verdict::Hung => format!("NOT CAUGHT: no end within {} s", PATIENCE.as_secs()),
        })
    }

    fn test(&self, mutation: &Mutation, state: &str) -> Result<Verdict, Failure> {
        let log = self.logs.join(format!("{}.{state}.log", mutation.name));
        let (build, _) = mutation
            .test
            .split_once(" -- ")
            .unwrap_or((mutation.test, ""));
        let mut cargo = self.copy.cargo(&format!("test --locked --no-run {build}"));
        if !wait(spawn(&mut cargo, &log)?, Duration::MAX)?.unwrap_or_default() {
            return Ok(Verdict::NotBuilt);
        }
        let mut cargo = self.copy.cargo(&format!("test --locked {}", mutation.test));
        let Some(is_success) = wait(spawn(&mut cargo, &log)?, PATIENCE)? else {
            return Ok(Verdict::Hung);
        };
        let output = fs::read(&log).at(&log)?;
        let mut counts = Counts::default();
        for line in String::from_utf8_lossy(&output).lines() {
            counts += Counts::from_result_line(line).unwrap_or_default();
        }
        Ok(verdict(is_success, counts))
    }
}

const fn verdict(is_success: bool, counts: Counts) -> Verdict {
    match (is_success, counts.failed) {
        (true, _) => Verdict::Green(counts.passed),
        (false, 0) => Verdict::NoTestFailed,
        (false, _) => Verdict::Red,
    }
}

/// Starts a program in a process group of its own, its output in a file.
fn spawn(command: &mut Command, log: &Path) -> Result<Child, Failure> {
    use std::os::unix::process::CommandExt as _;
    let file = File::create(log).at(log)?;
    command
        .stderr(file.try_clone().at(log)?)
        .stdout(file)
        .process_group(0);
    command
        .spawn()
        .map_err(|error| Failure::cannot_run(format!("{}: {error}", program::line(command))))
}

/// Whether the program succeeded; nothing when its time was up and it was ended.
fn wait(mut child: Child, patience: Duration) -> Result<Option<bool>, Failure> {
    let begun = Instant::now();
    loop {
        let ended = child
            .try_wait()
            .map_err(|error| Failure::failed(error.to_string()))?;
        if let Some(status) = ended {
            return Ok(Some(status.success()));
        }
        if begun.elapsed() > patience {
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Every file in the copy, as paths below its top.
fn copied_files(root: &Path, below: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join(below);
    let mut files = Vec::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in fs::read_dir(&folder).at(&folder)? {
        let entry = entry.at(&folder)?;
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            files.extend(copied_files(root, &path)?);
        } else {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANTED: Mutation = Mutation {
        name: "planted",
        file: "f",
        find: "if stale",
        replace: "if false",
        test: "",
    };

    #[test]
    fn parts_cover_the_table_and_do_not_overlap() {
        for length in [0, 1, 7, 270] {
            let parts = (1..=4).map(|number| Part { number, of: 4 });
            let places: Vec<_> = parts.flat_map(|part| part.places(length)).collect();
            assert_eq!(places, (0..length).collect::<Vec<_>>());
        }
        for bad in ["", "1", "0/2", "3/2", "1/0", "a/2", "1/2/3"] {
            assert!(bad.parse::<Part>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_text_is_found_exactly_once() {
        assert_eq!(PLANTED.apply("a; if stale {}").unwrap(), "a; if false {}");
        assert!(PLANTED.apply("nothing").is_err());
        assert!(PLANTED.apply("if stale if stale").is_err());
    }

    #[test]
    fn only_a_failed_test_is_red() {
        let counts = |passed, failed| Counts { passed, failed };
        assert_eq!(verdict(false, counts(3, 1)), Verdict::Red);
        assert_eq!(verdict(false, counts(0, 0)), Verdict::NoTestFailed);
        assert_eq!(verdict(true, counts(0, 0)), Verdict::Green(0));
    }

    #[test]
    fn a_hung_test_is_ended() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let child = spawn(Command::new("sleep").arg("60"), log.path()).unwrap();
        assert_eq!(wait(child, Duration::from_millis(100)).unwrap(), None);
        let child = spawn(&mut Command::new("false"), log.path()).unwrap();
        assert_eq!(wait(child, PATIENCE).unwrap(), Some(false));
    }

    #[test]
    fn the_copy_follows_the_checkout() {
        let root = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            assert!(
                git.args(arguments)
                    .current_dir(root.path())
                    .status()
                    .unwrap()
                    .success()
            );
        };
        git(&["init", "--quiet"]);
        fs::write(root.path().join(".gitignore"), "/target\n").unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        fs::write(root.path().join("a/b"), "1").unwrap();
        let project = Project {
            root: root.path().into(),
            target: root.path().join("target"),
        };
        let copy = Workshop::open(&project).unwrap().copy.root;
        assert_eq!(fs::read_to_string(copy.join("a/b")).unwrap(), "1");
        fs::write(copy.join("a/b"), "sabotaged").unwrap();
        fs::write(root.path().join("c"), "2").unwrap();
        Workshop::open(&project).unwrap();
        assert_eq!(fs::read_to_string(copy.join("a/b")).unwrap(), "1");
        fs::remove_file(root.path().join("c")).unwrap();
        Workshop::open(&project).unwrap();
        assert!(!copy.join("c").exists() && copy.join(".gitignore").exists());
    }
}
