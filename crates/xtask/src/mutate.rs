//! Sabotage, one line at a time: a test that stays green then proves nothing.

mod part;
mod results;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::failure::{At as _, Failure};
use crate::mutations::{self, Mutation};
use crate::program;
use crate::project::Project;
use crate::stage::{Counts, Outcome};
use part::Part;
use results::Results;

/// How long one test may take; a sabotage that hangs it has not turned it red.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long all tests of one program may take together, with its build.
const PATIENCE_WITH_ALL: Duration = Duration::from_secs(3_600);

/// Which sabotages to try.
#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Try these alone
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// Try one part of several, such as 1/2, for checkouts side by side
    #[arg(long, value_name = "K/N", conflicts_with = "only")]
    part: Option<Part>,
    /// Print the names with their tests and do nothing
    #[arg(long)]
    list: bool,
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
        let chosen = chosen(options)?;
        let unharmed = workshop.unharmed(&chosen)?;
        for mutation in chosen {
            let begun = Instant::now();
            let answer = workshop.try_one(mutation, &unharmed)?;
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
        options.only.is_empty() || options.only.iter().any(|only| only == mutation.name)
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

/// What `cargo test` is told, apart from its last word, which chooses tests.
fn program_and_filter(test: &str) -> (&str, &str) {
    test.rsplit_once(' ').unwrap_or((test, ""))
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

    /// Which of their tests are green as long as nothing is broken. Those of one program run
    /// together, so that each sabotage costs one build; one that is not green then has a second
    /// chance, alone.
    fn unharmed(&self, chosen: &[&'static Mutation]) -> Result<BTreeSet<&'static str>, Failure> {
        let mut programs: BTreeMap<&str, BTreeSet<&'static str>> = BTreeMap::new();
        for mutation in chosen {
            let (program, _) = program_and_filter(mutation.test);
            programs.entry(program).or_default().insert(mutation.test);
        }
        let mut green = BTreeSet::new();
        for (program, tests) in programs {
            let begun = Instant::now();
            let mut all = program.to_owned();
            if !program.contains(" -- ") {
                all.push_str(" --");
            }
            for test in &tests {
                all.extend([" ", program_and_filter(test).1]);
            }
            let log = self.logs.join("unharmed.log");
            let mut cargo = self.copy.cargo(&format!("test --locked {all}"));
            wait(spawn(&mut cargo, &log)?, PATIENCE_WITH_ALL)?;
            let output = fs::read(&log).at(&log)?;
            let results = Results::read(&String::from_utf8_lossy(&output));
            let is_exact = program.contains("--exact");
            let (together, others): (Vec<&str>, Vec<_>) = tests
                .iter()
                .partition(|test| results.are_green(program_and_filter(test).1, is_exact));
            green.extend(together);
            for test in others {
                let verdict = self.test(test, &self.logs.join("unharmed.alone.log"))?;
                if matches!(verdict, Verdict::Green(1..)) {
                    green.insert(test);
                }
            }
            let (seconds, count) = (begun.elapsed().as_secs_f64(), tests.len());
            println!("{:32} {seconds:4.0} s  {count} tests unharmed", "");
        }
        Ok(green)
    }

    fn try_one(
        &self,
        mutation: &'static Mutation,
        unharmed: &BTreeSet<&'static str>,
    ) -> Result<String, Failure> {
        let path = self.copy.root.join(mutation.file);
        let whole = fs::read_to_string(&path).at(&path)?;
        let broken = mutation.apply(&whole)?;
        if !unharmed.contains(mutation.test) {
            return Ok(format!(
                "NOT TRIED: without the sabotage `{}` is not green",
                mutation.test
            ));
        }
        fs::write(&path, broken).at(&path)?;
        let log = self.logs.join(format!("{}.log", mutation.name));
        let verdict = self.test(mutation.test, &log);
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

    fn test(&self, test: &str, log: &Path) -> Result<Verdict, Failure> {
        let (build, _) = test.split_once(" -- ").unwrap_or((test, ""));
        let mut cargo = self.copy.cargo(&format!("test --locked --no-run {build}"));
        if !wait(spawn(&mut cargo, log)?, Duration::MAX)?.unwrap_or_default() {
            return Ok(Verdict::NotBuilt);
        }
        let mut cargo = self.copy.cargo(&format!("test --locked {test}"));
        let Some(is_success) = wait(spawn(&mut cargo, log)?, PATIENCE)? else {
            return Ok(Verdict::Hung);
        };
        let output = fs::read(log).at(log)?;
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
