//! What stands in the place of a value, and how values come back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use strongroom_pii::{
    Binding, Channel, Class, Destination, LinkingKey, MemoryVault, Operator, Policy, RedactError,
    Redactor, RestorePolicy, Restorer, Vault, VaultError,
};
use strongroom_tenancy::TenantId;

const TEXT: &str = "ann@example.com, bob@example.com, ann@example.com";

fn policy(rest: &str) -> Policy {
    let rule = "version = 1\n[[rules]]\ntenant = \"*\"\nclass = \"*\"\nchannel = \"*\"\n";
    Policy::from_toml(&format!("{rule}{rest}")).unwrap()
}

fn tenant(last: u8) -> TenantId {
    format!("0190b2a4-8c7e-7d3a-9f00-0242ac1200{last:02}")
        .parse()
        .unwrap()
}

#[test]
fn a_number_is_the_same_for_the_same_value_and_begins_anew_elsewhere() {
    let policy = policy("mode = \"strict\"\noperator = \"number\"\n");
    let redact = || {
        let mut redactor = Redactor::new(&policy, &tenant(1), Channel::Prompt);
        let first = redactor.redact(TEXT).unwrap().text;
        (
            first,
            redactor.redact("bob@example.com 123-45-6789").unwrap().text,
        )
    };
    let expected = ("[EMAIL_1], [EMAIL_2], [EMAIL_1]", "[EMAIL_2] [US_SSN_1]");
    for _ in 0..2 {
        let (first, second) = redact();
        assert_eq!((first.as_str(), second.as_str()), expected);
    }
}

#[test]
fn a_token_is_the_same_for_the_same_value_and_random_elsewhere() {
    let policy = policy("mode = \"strict\"\noperator = \"token\"\n");
    let redact = || {
        policy
            .redact(&tenant(1), Channel::Prompt, TEXT)
            .unwrap()
            .text
    };
    let (one, other) = (redact(), redact());
    let tokens: Vec<&str> = one.split(", ").collect();
    assert!(tokens[0] == tokens[2] && tokens[0] != tokens[1], "{one}");
    assert_ne!(one, other);
    assert_eq!(
        policy
            .redact(&tenant(1), Channel::Prompt, &one)
            .unwrap()
            .text,
        one
    );
}

#[test]
fn a_mask_keeps_the_end() {
    let policy = policy("mode = \"strict\"\noperator = \"mask\"\nkeep = 4\n");
    let masked = policy
        .redact(&tenant(1), Channel::Prompt, "card 4111 1111 1111 1111")
        .unwrap();
    assert_eq!(masked.text, "card [CREDIT_CARD ****1111]");
    assert_eq!(
        masked.findings[0].operator,
        Some(Operator::Mask { keep: 4 })
    );
}

#[test]
fn a_keyed_code_links_where_key_tenant_class_and_value_are_the_same_and_nowhere_else() {
    let policy = policy("mode = \"strict\"\noperator = \"hmac\"\n");
    let code = |key: u8, tenant: TenantId, text: &str| {
        let key = LinkingKey::new([key; 32]);
        let mut redactor = Redactor::new(&policy, &tenant, Channel::Prompt).with_linking_key(&key);
        redactor.redact(text).unwrap().text
    };
    let one = code(1, tenant(1), "ann@example.com");
    assert_eq!(one, code(1, tenant(1), "ann@example.com"));
    assert!(
        one.starts_with("[EMAIL#") && one.len() == "[EMAIL#]".len() + 16,
        "{one}"
    );
    for other in [
        code(2, tenant(1), "ann@example.com"),
        code(1, tenant(2), "ann@example.com"),
        code(1, tenant(1), "anne@example.com"),
    ] {
        assert_ne!(one, other);
    }
    let refused = policy.redact(&tenant(1), Channel::Prompt, "ann@example.com");
    assert_eq!(refused.unwrap_err(), RedactError::NoLinkingKey);
}

/// A vault that is out of order.
struct Broken;

impl Vault for Broken {
    fn keep(&self, _: &Binding, _: &secrecy::SecretString) -> Result<(), VaultError> {
        Err(VaultError)
    }

    fn open(&self, _: &Binding) -> Result<Option<secrecy::SecretString>, VaultError> {
        Err(VaultError)
    }
}

#[test]
fn without_a_vault_that_keeps_the_value_nothing_comes_out() {
    let policy = policy("mode = \"reversible\"\n");
    assert!(policy.needs_vault() && !policy.needs_linking_key());
    let mut redactor = Redactor::new(&policy, &tenant(1), Channel::Prompt);
    assert_eq!(redactor.redact(TEXT).unwrap_err(), RedactError::NoVault);
    let mut redactor = Redactor::new(&policy, &tenant(1), Channel::Prompt).with_vault(&Broken);
    assert_eq!(
        redactor.redact(TEXT).unwrap_err(),
        RedactError::Vault(VaultError)
    );
    let mut stream = redactor.stream();
    let mut out = String::new();
    let pushed = stream.push("ann@example.com is here and goes on ", &mut out);
    // What is decided later is refused later, and from then on always.
    let finished = pushed.and_then(|()| stream.finish(&mut out).map(|_| ()));
    assert_eq!(finished.unwrap_err(), RedactError::Vault(VaultError));
    assert!(!out.contains('@'), "{out}");
}

#[test]
fn a_value_is_bound_to_tenant_class_channel_and_token() {
    let policy = policy("mode = \"reversible\"\n");
    let vault = MemoryVault::new();
    let mut redactor = Redactor::new(&policy, &tenant(1), Channel::Prompt).with_vault(&vault);
    redactor.redact(TEXT).unwrap();
    assert_eq!((redactor.minted().len(), vault.len()), (2, 2));
    let (class, token) = redactor.minted()[0].clone();
    let binding = Binding {
        tenant: tenant(1),
        class,
        channel: Channel::Prompt,
        token,
    };
    assert!(vault.open(&binding).unwrap().is_some());
    let others = [
        Binding {
            tenant: tenant(2),
            ..binding.clone()
        },
        Binding {
            class: Class::Phone,
            ..binding.clone()
        },
        Binding {
            channel: Channel::Output,
            ..binding.clone()
        },
        Binding {
            token: redactor.minted()[1].1.clone(),
            ..binding.clone()
        },
    ];
    for other in others {
        let opened = vault.open(&other).unwrap();
        use secrecy::ExposeSecret as _;
        let value = opened.map(|value| value.expose_secret().to_owned());
        assert_ne!(value.as_deref(), Some("ann@example.com"));
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}@[a-z]{2,8}\\.(com|org|de)",
        Just("4111 1111 1111 1111".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
        Just("123-45-6789".to_owned()),
        "192\\.0\\.2\\.[1-9][0-9]?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_taken_out_reversibly_is_put_back_exactly(
        // Vowels make no telling word: behind "v" a number is a version's.
        parts in proptest::collection::vec((value(), "[aeou ,é話\\n]{1,12}"), 1..8),
    ) {
        let policy = policy("mode = \"reversible\"\n");
        let vault = MemoryVault::new();
        let mut redactor = Redactor::new(&policy, &tenant(1), Channel::Prompt).with_vault(&vault);
        let text: String = parts.iter().map(|(value, rest)| format!(" {value} {rest}")).collect();
        let redacted = redactor.redact(&text).unwrap().text;
        for (value, _) in &parts {
            prop_assert!(!redacted.contains(value.as_str()), "{} in {}", value, redacted);
        }
        let mut restorer = Restorer::new(RestorePolicy::default());
        for (class, token) in redactor.minted() {
            let binding = Binding {
                tenant: tenant(1),
                class: class.clone(),
                channel: Channel::Prompt,
                token: token.clone(),
            };
            restorer.insert(class.clone(), token, vault.open(&binding).unwrap().unwrap());
        }
        prop_assert_eq!(restorer.restore(Destination::Answer, &redacted).text, text);
    }
}
