//! Where the checkpoint store is.

use std::path::{Path, PathBuf};

use super::{ConfigError, refuse};

/// The store's directory: never with the database's files, which whoever sets those back would set
/// back with them.
pub(super) fn checkpoints(text: &str, state_dir: &Path) -> Result<PathBuf, ConfigError> {
    let directory = match text {
        "" => state_dir.join("checkpoints"),
        text => PathBuf::from(text),
    };
    if directory.starts_with(state_dir.join("postgresql")) {
        let reason = "must not lie in the database's folder";
        return Err(refuse(&"checkpoints.directory", &reason));
    }
    Ok(directory)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_store_lies_apart_from_the_database() {
        let state = Path::new("/var/lib/strongroom");
        assert_eq!(checkpoints("", state).unwrap(), state.join("checkpoints"));
        assert_eq!(
            checkpoints("/d/signed", state).unwrap(),
            Path::new("/d/signed")
        );
        for within in ["postgresql", "postgresql/data/checkpoints"] {
            let text = format!("/var/lib/strongroom/{within}");
            let refused = checkpoints(&text, state).unwrap_err();
            assert_eq!(refused.key, "checkpoints.directory");
        }
    }
}
