//! The project's files.

use crate::failure::{At as _, Failure};
use crate::project::Project;

/// Every file that is committed, or would be.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

pub(super) struct File {
    /// From the project's top.
    pub(super) path: String,
    /// Empty for a file that is not UTF-8.
    pub(super) text: String,
}

/// The ends of names of files that people write.
const WRITTEN: &[&str] = &[
    "rs", "sql", "py", "js", "ts", "sh", "toml", "md", "yml", "yaml",
];

impl Tree {
    pub(super) fn load(project: &Project) -> Result<Self, Failure> {
        let mut files = Vec::new();
        for path in project.files()? {
            let place = project.root.join(&path);
            let text = String::from_utf8(std::fs::read(&place).at(&place)?).unwrap_or_default();
            files.push(File { path, text });
        }
        Ok(Self { files })
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is such a file or folder.
    pub(super) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.iter().any(|file| {
            file.path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.extension() == "rs")
    }

    /// The files that people write: sources and documents, not vectors and corpora.
    pub(super) fn written(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| {
            WRITTEN.contains(&file.extension())
                || !file.path.contains('.')
                || file.path == ".ci/run"
        })
    }

    /// The files below a folder.
    pub(super) fn below<'t>(&'t self, folder: &'t str) -> impl Iterator<Item = &'t File> {
        self.files.iter().filter(move |file| {
            file.path
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

impl File {
    fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.')
            .map(|(_, extension)| extension)
            .unwrap_or_default()
    }

    /// Each line with its place, `path:number`.
    pub(super) fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (format!("{}:{}", self.path, index + 1), line))
    }
}

#[cfg(test)]
impl Tree {
    pub(super) fn planted(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self {
            files: files.iter().map(file).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_by_kind_and_folder() {
        let tree = Tree::planted(&[
            ("crates/pii/src/lib.rs", ""),
            ("crates/pii-more/src/lib.rs", ""),
            ("crates/pii/tests/vectors/a.json", ""),
            (".ci/run", ""),
            ("README.md", ""),
        ]);
        assert_eq!(tree.rust().count(), 2);
        assert_eq!(tree.written().count(), 4);
        assert_eq!(tree.below("crates/pii").count(), 2);
        assert!(tree.has("crates/pii") && tree.has("crates/pii/") && tree.has("README.md"));
        assert!(!tree.has("crates/pi") && !tree.has("LICENSE"));
    }
}
