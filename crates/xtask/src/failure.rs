//! Why a command, or one stage of it, did not succeed.

/// A command's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something was checked, and does not hold.
    #[error("{0}")]
    Failed(String),
    /// Nothing could be checked; what is missing, and how to get it.
    #[error("cannot run: {0}")]
    CannotRun(String),
    /// Already on the screen.
    #[error("see above")]
    Reported,
}

impl Failure {
    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::Failed(what.into())
    }

    pub(crate) fn cannot_run(what: impl Into<String>) -> Self {
        Self::CannotRun(what.into())
    }
}

/// Names the file or folder that an input or output error was about.
pub(crate) trait At<T> {
    fn at(self, path: &std::path::Path) -> Result<T, Failure>;
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, path: &std::path::Path) -> Result<T, Failure> {
        self.map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
    }
}
