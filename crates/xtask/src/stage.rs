//! A tier of checks: named stages, run in order until one fails.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::project::Project;

/// One stage of a tier.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Project) -> Outcome,
}

/// What a stage counted, also when it failed.
pub(crate) type Outcome = Result<Counts, (Counts, Failure)>;

/// How many tests passed and failed. A stage that counts no tests is itself one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

/// Which stages to run.
#[derive(clap::Args, Default)]
pub(crate) struct Selection {
    /// Run this stage alone
    #[arg(long, value_name = "STAGE", conflicts_with = "from")]
    only: Option<String>,
    /// Begin with this stage
    #[arg(long, value_name = "STAGE")]
    from: Option<String>,
    /// Pass over a stage that cannot run on this machine, and say so
    #[arg(long)]
    allow_skip: bool,
    /// Print the stages' names and do nothing
    #[arg(long)]
    list: bool,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl Counts {
    /// Reads the line that closes a test binary's output:
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    pub(crate) fn from_result_line(line: &str) -> Option<Self> {
        let (_, numbers) = line
            .trim()
            .strip_prefix("test result: ")?
            .split_once(". ")?;
        let number = |label: &str| {
            let field = numbers
                .split("; ")
                .find_map(|field| field.strip_suffix(label))?;
            field.trim().parse().ok()
        };
        Some(Self {
            passed: number("passed")?,
            failed: number("failed")?,
        })
    }
}

/// A stage that runs one thing which either succeeds or not.
pub(crate) fn simple(result: Result<(), Failure>) -> Outcome {
    result
        .map(|()| Counts::default())
        .map_err(|failure| (Counts::default(), failure))
}

impl Selection {
    fn choose<'s>(&self, stages: &'s [Stage]) -> Result<&'s [Stage], Failure> {
        let position = |name: &str| {
            stages
                .iter()
                .position(|stage| stage.name == name)
                .ok_or_else(|| {
                    Failure::cannot_run(format!("no stage {name}: --list prints their names"))
                })
        };
        let chosen = match (&self.only, &self.from) {
            (Some(name), _) => {
                let at = position(name)?;
                stages.get(at..=at)
            }
            (None, Some(name)) => stages.get(position(name)?..),
            (None, None) => Some(stages),
        };
        Ok(chosen.unwrap_or_default())
    }
}

/// Runs the chosen stages; the last line printed is `N passed, N failed`.
pub(crate) fn run(
    stages: &[Stage],
    project: &Project,
    selection: &Selection,
) -> Result<(), Failure> {
    let chosen = selection.choose(stages)?;
    if selection.list {
        for stage in chosen {
            println!("{:24} {}", stage.name, stage.about);
        }
        return Ok(());
    }
    let mut total = Counts::default();
    let mut rows = Vec::new();
    for stage in chosen {
        println!("\n=== {} ({})", stage.name, stage.about);
        let begun = Instant::now();
        let (mut counts, word) = match (stage.run)(project) {
            Ok(counts) => (counts, "ok"),
            Err((counts, Failure::CannotRun(why))) if selection.allow_skip => {
                println!("skipped: {why}");
                (counts, "skipped")
            }
            Err((mut counts, failure)) => {
                eprintln!("{}: {failure}", stage.name);
                counts.failed = counts.failed.max(1);
                (counts, "FAILED")
            }
        };
        if counts == Counts::default() && word == "ok" {
            counts.passed = 1;
        }
        total += counts;
        println!("=== {} {word} in {}", stage.name, seconds(begun.elapsed()));
        rows.push((stage.name, word, counts, begun.elapsed()));
        if word == "FAILED" {
            break;
        }
    }
    println!(
        "\n{:24} {:8} {:>7} {:>7} {:>9}",
        "stage", "", "passed", "failed", "time"
    );
    for (name, word, counts, time) in &rows {
        let Counts { passed, failed } = counts;
        println!(
            "{name:24} {word:8} {passed:>7} {failed:>7} {:>9}",
            seconds(*time)
        );
    }
    for stage in chosen.iter().skip(rows.len()) {
        println!("{:24} not run", stage.name);
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 {
        Ok(())
    } else {
        Err(Failure::Reported)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(_: &Project) -> Outcome {
        Ok(Counts::default())
    }

    fn fails(_: &Project) -> Outcome {
        Err((
            Counts {
                passed: 3,
                failed: 0,
            },
            Failure::failed("planted"),
        ))
    }

    fn cannot(_: &Project) -> Outcome {
        Err((Counts::default(), Failure::cannot_run("planted")))
    }

    const fn stage(name: &'static str, run: fn(&Project) -> Outcome) -> Stage {
        Stage {
            name,
            about: "",
            run,
        }
    }

    fn held(stages: &[Stage], selection: &Selection) -> bool {
        let project = Project {
            root: "/".into(),
            target: "/".into(),
        };
        run(stages, &project, selection).is_ok()
    }

    #[test]
    fn reads_the_closing_line_of_a_test_binary() {
        let ok = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            Counts::from_result_line(ok),
            Some(Counts {
                passed: 12,
                failed: 0
            })
        );
        let red = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(
            Counts::from_result_line(red),
            Some(Counts {
                passed: 3,
                failed: 2
            })
        );
        assert_eq!(Counts::from_result_line("test a::b ... ok"), None);
    }

    #[test]
    fn one_failed_stage_fails_the_tier() {
        let all = Selection::default();
        assert!(held(&[stage("a", passes)], &all));
        assert!(!held(&[stage("a", passes), stage("b", fails)], &all));
    }

    #[test]
    fn a_stage_that_cannot_run_fails_unless_skips_are_allowed() {
        let stages = [stage("a", cannot), stage("b", passes)];
        assert!(!held(&stages, &Selection::default()));
        assert!(held(
            &stages,
            &Selection {
                allow_skip: true,
                ..Selection::default()
            }
        ));
        let skips = Selection {
            allow_skip: true,
            ..Selection::default()
        };
        assert!(!held(&[stage("a", fails)], &skips));
    }

    #[test]
    fn only_and_from_choose() {
        let stages = [stage("a", fails), stage("b", passes), stage("c", fails)];
        let only = |name: &str| Selection {
            only: Some(name.into()),
            ..Selection::default()
        };
        assert!(held(&stages, &only("b")));
        assert!(!held(&stages, &only("nowhere")));
        let from = Selection {
            from: Some("b".into()),
            ..Selection::default()
        };
        assert_eq!(from.choose(&stages).unwrap().len(), 2);
    }
}
