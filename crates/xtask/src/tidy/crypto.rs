//! Which cryptography is linked, and in how many versions.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use super::dependencies::primitives;
use super::graph::Graph;
use super::tree::Tree;

/// Crates of which the primitives link one generation.
const ONE_GENERATION: &[&str] = &[
    "sha2",
    "hmac",
    "hkdf",
    "aes-gcm",
    "digest",
    "ed25519-dalek",
    "curve25519-dalek",
    "cipher",
    "crypto-common",
];

/// Second generations that are allowed: crate, version, reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("sha2", "0.10.9", MULTIPROOFS),
    ("digest", "0.10.7", MULTIPROOFS),
    ("crypto-common", "0.1.7", MULTIPROOFS),
];

/// Why the audit chain may link a second SHA-256.
const MULTIPROOFS: &str = "rs_merkle's own hashing, which is never called; in the tree with the feature `multiproof` alone";

/// What the project's card promises to build on; one of each group.
const CARD: &[&[&str]] = &[
    &["aes-gcm"],
    &["hkdf", "hmac"],
    &["sha2"],
    &["ed25519-dalek"],
    &["zeroize"],
    &["secrecy"],
    &["proptest"],
];

/// Where secrets are compared, and how often.
const COMPARISONS: &[(&str, usize)] = &[
    ("crates/apikey/src/argon.rs", 1),
    ("crates/apikey/src/hash.rs", 1),
    ("crates/apikey/src/legacy.rs", 1),
    ("crates/auditchain/src/commitment.rs", 1),
    ("crates/envelope/src/stream.rs", 1),
    ("crates/envelope/src/wipe.rs", 1),
    ("crates/tenant-token/src/refresh/family.rs", 3),
    ("crates/webhook-sig/src/check.rs", 1),
];

/// Two generations of one primitive are two implementations to review and to wipe keys from.
pub(super) fn one_generation(graph: &Graph) -> Vec<Violation> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in primitives(graph) {
        for below in graph.normal_tree(package) {
            let is_excused = EXCEPTIONS
                .iter()
                .any(|(name, version, _)| *name == below.name && *version == below.version);
            if ONE_GENERATION.contains(&below.name.as_str()) && !is_excused {
                versions
                    .entry(&below.name)
                    .or_default()
                    .insert(&below.version);
            }
        }
    }
    let doubled = versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1);
    doubled
        .map(|(name, versions)| {
            let list: Vec<_> = versions.into_iter().collect();
            Violation::new(name, format!("the primitives link {}", list.join(" and ")))
        })
        .collect()
}

/// The server's TLS has one provider, aws-lc-rs.
pub(super) fn one_provider(graph: &Graph) -> Vec<Violation> {
    let Some(server) = graph.member("strongroom-server") else {
        return vec![Violation::new(
            "strongroom-server",
            "is not in the workspace",
        )];
    };
    let tree = graph.normal_tree(server);
    let links = |name: &str| tree.iter().any(|package| package.name == name);
    let mut found = Vec::new();
    if links("ring") {
        found.push(Violation::new(
            &server.name,
            "links ring, a second TLS provider",
        ));
    }
    if links("rustls") && !links("aws-lc-rs") {
        found.push(Violation::new(
            &server.name,
            "links rustls without aws-lc-rs",
        ));
    }
    found
}

/// A secret, or what decides about one, is compared in one time, wherever it differs: each place
/// where that happens does it by `subtle`.
pub(super) fn compared_in_one_time(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, count) in COMPARISONS {
        let text = tree.file(path).map_or("", |file| file.text.as_str());
        let here = text.matches(".ct_eq(").count();
        if here != *count {
            let reason =
                format!("compares {here} times in constant time, and should {count} times");
            found.push(Violation::new(*path, reason));
        }
    }
    found
}

/// The card's crates are what the project is built on, not what it mentions.
pub(super) fn card_s_crates(graph: &Graph) -> Vec<Violation> {
    let named = |name: &str| {
        graph
            .members()
            .any(|member| member.dependencies.iter().any(|d| d.name == name))
    };
    let missing = CARD
        .iter()
        .filter(|group| !group.iter().any(|name| named(name)));
    missing
        .map(|group| Violation::new(group.join(" or "), "no crate of ours uses it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_generation_is_found_wherever_it_hides() {
        let one = [
            "*strongroom-rls: sha2",
            "sha2 0.11.1",
            "*strongroom-pii: sha2",
        ];
        assert_eq!(one_generation(&Graph::planted(&one)), []);
        for name in ONE_GENERATION {
            let old = format!("{name} 0.1.0");
            let new = format!("{name} 0.2.0");
            let between = format!("between: {name}@0.1");
            let direct = format!("*strongroom-rls: {name}@0.2");
            let lines = [&old, &new, &between, &direct, "*strongroom-pii: between"];
            assert_eq!(one_generation(&Graph::planted(&lines)).len(), 1, "{name}");
            let in_tests = [
                &old,
                &new,
                &between,
                &direct,
                "*strongroom-pii: dev between",
            ];
            assert_eq!(
                one_generation(&Graph::planted(&in_tests)),
                [],
                "{name} in tests"
            );
        }
    }

    #[test]
    fn a_comparison_that_stops_at_the_first_difference_is_found() {
        let texts: Vec<_> = COMPARISONS
            .iter()
            .map(|(path, count)| (*path, "a.ct_eq(b);".repeat(*count)))
            .collect();
        let files = |texts: &[(&'static str, String)]| {
            let files: Vec<_> = texts.iter().map(|(path, text)| (*path, &**text)).collect();
            compared_in_one_time(&Tree::planted(&files)).len()
        };
        assert_eq!(files(&texts), 0);
        for place in 0..texts.len() {
            let mut early = texts.clone();
            early[place].1 = early[place].1.replacen("a.ct_eq(b)", "a == b", 1);
            assert_eq!(files(&early), 1, "{}", early[place].0);
        }
        assert_eq!(files(&[]), COMPARISONS.len());
    }

    #[test]
    fn there_is_one_tls_provider() {
        let found = |rustls: &str| {
            let lines = ["ring", "aws-lc-rs", rustls, "*strongroom-server: rustls"];
            one_provider(&Graph::planted(&lines)).len()
        };
        assert_eq!(found("rustls: aws-lc-rs"), 0);
        assert_eq!(found("rustls: aws-lc-rs, ring"), 1);
        assert_eq!(found("rustls: ring"), 2);
        assert_eq!(found("rustls"), 1);
        assert_eq!(one_provider(&Graph::planted(&[])).len(), 1);
    }

    #[test]
    fn every_crate_of_the_card_is_used() {
        let all = "*a: aes-gcm, hmac, sha2, ed25519-dalek, zeroize, secrecy, dev proptest";
        assert_eq!(card_s_crates(&Graph::planted(&[all])), []);
        for name in [
            "aes-gcm",
            "hmac",
            "sha2",
            "ed25519-dalek",
            "zeroize",
            "secrecy",
            "proptest",
        ] {
            let fewer = all.replace(name, "other");
            assert_eq!(card_s_crates(&Graph::planted(&[&fewer])).len(), 1, "{name}");
        }
    }
}
