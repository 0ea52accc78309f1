//! What the demo prints: a line a step, what was checked, the request's id, the time taken.

use std::time::Instant;

use crate::failure::Failure;

/// The transcript of a run.
pub(crate) struct Transcript {
    last: Instant,
}

/// What one step checked.
#[derive(Default)]
pub(crate) struct Checked {
    facts: Vec<String>,
    request_id: Option<String>,
}

impl Transcript {
    pub(crate) fn begin() -> Self {
        println!("\nStrongroom: one call through every gate\n");
        Self {
            last: Instant::now(),
        }
    }

    /// Prints a step that held.
    pub(crate) fn step(&mut self, number: u8, title: &str, checked: &Checked) {
        let took = self.last.elapsed();
        self.last = Instant::now();
        let request = checked
            .request_id
            .as_deref()
            .map_or(String::new(), |id| format!("  [{id}]"));
        println!("{number:>2}. {title}{request}  {:.2} s", took.as_secs_f64());
        for fact in &checked.facts {
            println!("      - {fact}");
        }
    }
}

impl Checked {
    /// Adds a fact, if it holds.
    pub(crate) fn that(
        &mut self,
        holds: bool,
        fact: impl Into<String>,
        otherwise: impl std::fmt::Display,
    ) -> Result<(), Failure> {
        let fact = fact.into();
        if !holds {
            return Err(Failure::failed(format!(
                "did not hold: {fact}: {otherwise}"
            )));
        }
        self.facts.push(fact);
        Ok(())
    }

    /// Names the request that the step is about.
    pub(crate) fn of_request(&mut self, id: &str) {
        self.request_id = Some(id.to_owned());
    }
}
