//! The cases against moto's server, which `cargo xtask soak --only kms-aws-moto` starts.

use crate::cases::CASES;
use crate::target::{Target, config};

/// Cases that moto's server cannot pass, each with what it does instead of what AWS KMS does.
const SKIPPED: &[(&str, &str)] = &[
    (
        "a_renamed_wrap_does_not_unwrap",
        "answers AccessDeniedException for a ciphertext of another key",
    ),
    (
        "a_disabled_key_does_nothing",
        "lets a disabled key encrypt and decrypt",
    ),
    (
        "a_key_about_to_be_destroyed_does_nothing",
        "lets a key that is pending deletion encrypt and decrypt",
    ),
];

#[test]
fn what_is_skipped_is_a_case() {
    for (name, reason) in SKIPPED {
        assert!(CASES.iter().any(|(case, _)| case == name), "{name}");
        assert!(!reason.is_empty(), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs moto's server: cargo xtask soak --only kms-aws-moto"]
async fn moto_passes_the_cases() {
    let endpoint = std::env::var("STRONGROOM_MOTO").unwrap();
    let config = || config(&endpoint, "eu-central-1", "moto");
    for (name, case) in CASES {
        if let Some((_, reason)) = SKIPPED.iter().find(|(skipped, _)| skipped == name) {
            println!("skipped {name}: moto {reason}");
            continue;
        }
        println!("{name}");
        case(&Target::new(config(), config())).await;
    }
}
