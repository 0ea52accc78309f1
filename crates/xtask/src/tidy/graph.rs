//! The crates of the build, as `cargo metadata` tells them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::failure::Failure;
use crate::program;
use crate::project::Project;

/// Every crate of the build, ours and others'.
pub(super) struct Graph {
    pub(super) packages: Vec<Package>,
}

/// One crate.
#[derive(Clone, Debug, Default)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    /// For a crate of the workspace: its folder, from the top.
    pub(super) folder: Option<String>,
    /// What its manifest names.
    pub(super) dependencies: Vec<Dependency>,
    /// What its normal dependencies resolved to: places in [`Graph::packages`].
    resolved: Vec<usize>,
}

/// A dependency as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The crate's name.
    pub(super) name: String,
    /// The name that its user gave it.
    pub(super) rename: Option<String>,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Dev,
    Build,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: Vec<String>,
    resolve: Resolve,
    workspace_root: String,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    manifest_path: String,
    dependencies: Vec<MetadataDependency>,
    features: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
    rename: Option<String>,
    kind: Option<String>,
    optional: bool,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
    features: Vec<String>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl MetadataPackage {
    /// Whether a dependency is on. Cargo draws an edge to an optional one also when features only
    /// speak of it in passing (`ring?/alloc`), and links it only when one of them turns it on.
    fn has_on(&self, features: &[String], other: &str) -> bool {
        let mut declared = self
            .dependencies
            .iter()
            .filter(|d| d.name == other)
            .peekable();
        declared.peek().is_none()
            || declared.any(|dependency| {
                let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
                let (on, through) = (format!("dep:{name}"), format!("{name}/"));
                let mut turned = features
                    .iter()
                    .filter_map(|f| self.features.get(f))
                    .flatten();
                !dependency.optional || turned.any(|t| *t == on || t.starts_with(&through))
            })
    }
}

impl Kind {
    fn parse(kind: Option<&str>) -> Self {
        match kind {
            Some("dev") => Self::Dev,
            Some("build") => Self::Build,
            _ => Self::Normal,
        }
    }
}

impl Dependency {
    /// The name that Rust code knows it by.
    pub(super) fn identifier(&self) -> String {
        self.rename.as_ref().unwrap_or(&self.name).replace('-', "_")
    }
}

impl Graph {
    pub(super) fn load(project: &Project) -> Result<Self, Failure> {
        let json = program::output(&mut project.cargo("metadata --format-version 1 --locked"))?;
        Self::parse(&json).map_err(|error| Failure::failed(format!("cargo metadata: {error}")))
    }

    fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let metadata: Metadata = serde_json::from_str(json)?;
        let places: BTreeMap<&str, usize> = metadata
            .packages
            .iter()
            .enumerate()
            .map(|(i, p)| (p.id.as_str(), i))
            .collect();
        let edges: BTreeMap<&str, &Node> = metadata
            .resolve
            .nodes
            .iter()
            .map(|node| (node.id.as_str(), node))
            .collect();
        let packages = metadata.packages.iter().map(|package| {
            let member = metadata.workspace_members.contains(&package.id);
            let folder = package
                .manifest_path
                .strip_prefix(&metadata.workspace_root)
                .and_then(|path| path.strip_suffix("/Cargo.toml"))
                .map(|path| path.trim_start_matches('/').to_owned());
            let is_linked = |node: &Node, edge: &Edge| {
                let is_normal = edge
                    .dep_kinds
                    .iter()
                    .any(|k| Kind::parse(k.kind.as_deref()) == Kind::Normal);
                let place = *places.get(edge.pkg.as_str())?;
                let other = metadata.packages.get(place)?;
                (is_normal && package.has_on(&node.features, &other.name)).then_some(place)
            };
            let linked = edges
                .get(package.id.as_str())
                .into_iter()
                .flat_map(|node| node.deps.iter().filter_map(|edge| is_linked(node, edge)));
            let dependencies = package.dependencies.iter().map(|dependency| Dependency {
                name: dependency.name.clone(),
                rename: dependency.rename.clone(),
                kind: Kind::parse(dependency.kind.as_deref()),
            });
            Package {
                name: package.name.clone(),
                version: package.version.clone(),
                license: package.license.clone(),
                folder: folder.filter(|_| member),
                dependencies: dependencies.collect(),
                resolved: linked.collect(),
            }
        });
        Ok(Self {
            packages: packages.collect(),
        })
    }

    /// The crates of the workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| package.folder.is_some())
    }

    pub(super) fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// Everything that is linked into a crate: itself and, over and over, normal dependencies.
    pub(super) fn normal_tree(&self, package: &Package) -> Vec<&Package> {
        let mut seen = BTreeSet::new();
        let mut waiting = package.resolved.clone();
        while let Some(place) = waiting.pop() {
            if seen.insert(place)
                && let Some(found) = self.packages.get(place)
            {
                waiting.extend(&found.resolved);
            }
        }
        seen.into_iter()
            .filter_map(|place| self.packages.get(place))
            .collect()
    }
}

#[cfg(test)]
impl Graph {
    /// A graph from lines `name version [licence]: dependency, dev dependency, …`; the crates of
    /// the workspace begin with `*`, dev dependencies with `dev `, build ones with `build `.
    pub(super) fn planted(lines: &[&str]) -> Self {
        let mut packages = Vec::new();
        for line in lines {
            let (head, names) = line.split_once(':').unwrap_or((line, ""));
            let mut words = head.trim_start_matches('*').split(' ');
            let name = words.next().unwrap().to_owned();
            let dependencies = names
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            packages.push(Package {
                folder: head.starts_with('*').then(|| {
                    format!(
                        "crates/{}",
                        name.strip_prefix("strongroom-").unwrap_or(&name)
                    )
                }),
                name,
                version: words.next().unwrap_or("1.0.0").to_owned(),
                license: Some(words.collect::<Vec<_>>().join(" ")).filter(|l| !l.is_empty()),
                dependencies: dependencies
                    .map(|text| {
                        let (kind, name) = match text.split_once(' ') {
                            Some(("dev", name)) => (Kind::Dev, name),
                            Some(("build", name)) => (Kind::Build, name),
                            _ => (Kind::Normal, text),
                        };
                        Dependency {
                            name: name.to_owned(),
                            rename: None,
                            kind,
                        }
                    })
                    .collect(),
                resolved: Vec::new(),
            });
        }
        let known = packages.clone();
        for package in &mut packages {
            let normal = package
                .dependencies
                .iter()
                .filter(|d| d.kind == Kind::Normal);
            package.resolved = normal
                .flat_map(|dependency| {
                    // `name@version` picks one of two generations.
                    let (name, version) = dependency
                        .name
                        .split_once('@')
                        .unwrap_or((&dependency.name, ""));
                    known.iter().enumerate().filter_map(move |(place, other)| {
                        (other.name == name && other.version.starts_with(version)).then_some(place)
                    })
                })
                .collect();
        }
        Self { packages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{"workspace_root": "/w", "workspace_members": ["ours"], "packages": [
        {"id": "ours", "name": "ours", "version": "0.1.0", "license": "MIT", "features":
           {"default": ["dep:off", "on?/x"], "on": ["dep:c"], "passing": ["c?/std"]},
         "manifest_path": "/w/crates/ours/Cargo.toml", "dependencies": [
           {"name": "a-b", "rename": "c", "kind": null, "optional": true},
           {"name": "d", "rename": null, "kind": "dev", "optional": false}]},
        {"id": "a", "name": "a-b", "version": "2.0.0", "license": null, "features": {},
         "manifest_path": "/registry/a/Cargo.toml", "dependencies": []},
        {"id": "d", "name": "d", "version": "3.0.0", "license": null, "features": {},
         "manifest_path": "/registry/d/Cargo.toml", "dependencies": []}],
      "resolve": {"nodes": [
        {"id": "ours", "features": ["default", "on"], "deps": [
           {"pkg": "a", "dep_kinds": [{"kind": null}]},
           {"pkg": "d", "dep_kinds": [{"kind": "dev"}]}]},
        {"id": "a", "features": [], "deps": []}, {"id": "d", "features": [], "deps": []}]}}"#;

    #[test]
    fn reads_what_cargo_tells() {
        let graph = Graph::parse(METADATA).unwrap();
        let ours = graph.member("ours").unwrap();
        assert_eq!(ours.folder.as_deref(), Some("crates/ours"));
        assert_eq!(ours.dependencies[0].identifier(), "c");
        assert_eq!(ours.dependencies[1].kind, Kind::Dev);
        let tree: Vec<_> = graph
            .normal_tree(ours)
            .iter()
            .map(|p| p.name.clone())
            .collect();
        assert_eq!(tree, ["a-b"]);
        assert!(graph.member("a-b").is_none());
    }

    #[test]
    fn an_optional_dependency_counts_when_a_feature_turns_it_on() {
        let off = METADATA.replace(r#"["default", "on"]"#, r#"["default", "passing"]"#);
        let graph = Graph::parse(&off).unwrap();
        assert!(graph.normal_tree(graph.member("ours").unwrap()).is_empty());
    }

    #[test]
    fn the_tree_is_transitive() {
        let graph = Graph::planted(&["*a: b, dev c", "b: d", "c", "d: b"]);
        let a = graph.member("a").unwrap();
        let names: Vec<_> = graph
            .normal_tree(a)
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        assert_eq!(names, ["b", "d"]);
    }
}
