//! Results of tests, read from what `cargo test` printed.

/// What each test of a run came to.
#[derive(Default)]
pub(super) struct Results {
    ok: Vec<String>,
    failed: Vec<String>,
}

impl Results {
    pub(super) fn read(output: &str) -> Self {
        let mut results = Self::default();
        for line in output.lines() {
            let Some((name, rest)) = line
                .strip_prefix("test ")
                .and_then(|line| line.split_once(" ... "))
            else {
                continue;
            };
            match rest {
                "ok" => results.ok.push(name.to_owned()),
                _ if rest.starts_with("ignored") => {}
                _ => results.failed.push(name.to_owned()),
            }
        }
        results
    }

    /// Whether this filter chose tests, and all of them held.
    pub(super) fn are_green(&self, filter: &str, is_exact: bool) -> bool {
        let chosen = |name: &String| {
            if is_exact {
                name == filter
            } else {
                name.contains(filter)
            }
        };
        self.ok.iter().any(chosen) && !self.failed.iter().any(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_green_when_all_it_chose_held() {
        let output = "running 4 tests\ntest a::one ... ok\ntest a::two ... FAILED\n\
                      test b::one ... ok\ntest c ... ignored, a measurement\n";
        let results = Results::read(output);
        assert!(results.are_green("a::one", true) && results.are_green("one", false));
        for (not_green, is_exact) in [("a", false), ("one", true), ("c", true), ("d", false)] {
            assert!(!results.are_green(not_green, is_exact), "{not_green}");
        }
    }
}
