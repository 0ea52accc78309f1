//! The keys of identity providers: fetched seldom, from where they may be, and kept for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom_server::clock::ManualClock;
use strongroom_server::login::{IssuerKeySets, KeysUnavailable};
use strongroom_tenancy::TenantId;

use crate::fake_issuer::{Answer, FakeIssuer};
use crate::platform::on_runtime;

const HOUR: u64 = 3_600;

async fn start() -> (FakeIssuer, Arc<ManualClock>, Arc<IssuerKeySets>) {
    strongroom_server::upstream::install_tls();
    let clock = Arc::new(ManualClock::at(1_800_000_000));
    let sets = Arc::new(IssuerKeySets::new(clock.clone(), true));
    (FakeIssuer::start().await, clock, sets)
}

/// Whether the key is there, once those that there are have been asked for.
async fn has(
    sets: &IssuerKeySets,
    issuer: &FakeIssuer,
    kid: &str,
) -> Result<bool, KeysUnavailable> {
    let keys = sets.keys(TenantId::PLATFORM, &issuer.url(), kid).await?;
    Ok(keys.find(kid).is_some())
}

#[test]
fn a_set_is_fetched_once_for_all_who_wait_and_again_when_it_is_old() {
    on_runtime(async {
        let (issuer, clock, sets) = start().await;
        issuer.answer(Answer::Slowly(issuer.jwks()));
        let asks = (0..20).map(|_| has(&sets, &issuer, "rsa"));
        for found in futures_util::future::join_all(asks).await {
            assert_eq!(found, Ok(true));
        }
        assert_eq!(issuer.asked(), 1);
        clock.advance(299);
        assert_eq!(has(&sets, &issuer, "ec").await, Ok(true));
        assert_eq!(issuer.asked(), 1);
        clock.advance(1);
        issuer.answer(Answer::Keys("{\"keys\":[]}".to_owned()));
        assert_eq!(has(&sets, &issuer, "rsa").await, Ok(false), "withdrawn");
        assert_eq!(issuer.asked(), 2);
        // One tenant's set is not another's.
        issuer.answer(Answer::Keys(issuer.jwks()));
        let tenant = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse().unwrap();
        let keys = sets.keys(tenant, &issuer.url(), "rsa").await.unwrap();
        assert!(keys.find("rsa").is_some());
    });
}

#[test]
fn an_unknown_name_is_one_look_and_never_two_within_ten_seconds() {
    on_runtime(async {
        let (issuer, clock, sets) = start().await;
        assert_eq!(has(&sets, &issuer, "rsa").await, Ok(true));
        for number in 0..50 {
            let kid = format!("rsa-{number}");
            assert_eq!(has(&sets, &issuer, &kid).await, Ok(false));
        }
        assert_eq!(
            issuer.asked(),
            1,
            "strangers' names so soon after the last look"
        );
        clock.advance(10);
        issuer.answer(Answer::Keys(issuer.jwks_as("rsa-next", "ec")));
        assert_eq!(
            has(&sets, &issuer, "rsa-next").await,
            Ok(true),
            "keys were rotated"
        );
        assert_eq!(issuer.asked(), 2);
        clock.advance(10);
        assert_eq!(has(&sets, &issuer, "nobody").await, Ok(false));
        clock.advance(10);
        assert_eq!(has(&sets, &issuer, "nobody").await, Ok(false));
        assert_eq!(
            issuer.asked(),
            3,
            "a name that was looked for is not looked for again"
        );
    });
}

#[test]
fn old_keys_last_a_day_while_the_issuer_cannot_be_reached() {
    on_runtime(async {
        let (issuer, clock, sets) = start().await;
        assert_eq!(has(&sets, &issuer, "rsa").await, Ok(true));
        for broken in [
            Answer::Status(500),
            Answer::Redirect(format!("{}/keys?again", issuer.base)),
            Answer::Keys("no set".to_owned()),
            Answer::Endless,
            Answer::Keys(
                issuer
                    .jwks()
                    .replacen("\"kid\"", "\"d\":\"AQAB\",\"kid\"", 1),
            ),
        ] {
            issuer.answer(broken);
            let asked = issuer.asked();
            clock.advance(HOUR);
            let begun = Instant::now();
            assert_eq!(has(&sets, &issuer, "rsa").await, Ok(true));
            assert_eq!(issuer.asked(), asked + 1);
            assert!(
                begun.elapsed() < Duration::from_millis(9_500),
                "given up at 1 MiB"
            );
        }
        clock.advance(19 * HOUR);
        assert_eq!(has(&sets, &issuer, "rsa").await, Ok(true), "a day");
        clock.advance(10);
        assert_eq!(
            has(&sets, &issuer, "rsa").await,
            Err(KeysUnavailable),
            "and no longer"
        );
    });
}

#[test]
fn an_issuer_that_does_not_answer_is_given_up_and_holds_up_only_who_has_nothing() {
    on_runtime(async {
        let (issuer, clock, sets) = start().await;
        assert_eq!(has(&sets, &issuer, "rsa").await, Ok(true));
        issuer.answer(Answer::Never);
        clock.advance(300);
        let begun = Instant::now();
        let answered = async || (has(&sets, &issuer, "rsa").await, Instant::now());
        let other = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            answered().await
        };
        let (first, other) = futures_util::future::join(answered(), other).await;
        assert_eq!((first.0, other.0), (Ok(true), Ok(true)));
        assert!(other.1 < first.1, "it waited for the first");
        let waited = begun.elapsed();
        // Ten seconds, and not twice.
        let limits = Duration::from_secs(9)..Duration::from_secs(19);
        assert!(limits.contains(&waited), "{waited:?}");
    });
}

#[test]
fn who_waits_for_an_issuer_waits_once() {
    on_runtime(async {
        let (issuer, _, sets) = start().await;
        issuer.answer(Answer::Never);
        let begun = Instant::now();
        let asks = (0..5).map(|_| has(&sets, &issuer, "rsa"));
        for found in futures_util::future::join_all(asks).await {
            assert_eq!(found, Err(KeysUnavailable));
        }
        assert!(begun.elapsed() < Duration::from_secs(19));
        assert_eq!(issuer.asked(), 1);
    });
}

#[test]
fn keys_do_not_come_from_where_webhooks_do_not_go() {
    on_runtime(async {
        let (issuer, clock, _) = start().await;
        let guarded = IssuerKeySets::new(clock.clone(), false);
        assert_eq!(has(&guarded, &issuer, "rsa").await, Err(KeysUnavailable));
        let named = issuer
            .url()
            .as_str()
            .replace("http://127.0.0.1", "https://localhost");
        for url in [
            named.as_str(),
            "https://127.0.0.1/keys",
            "https://169.254.169.254/keys",
            "https://10.0.0.1/keys",
            "https://[::1]/keys",
            "http://example.com/keys",
        ] {
            let keys = guarded
                .keys(TenantId::PLATFORM, &url.parse().unwrap(), "rsa")
                .await;
            assert_eq!(keys.err(), Some(KeysUnavailable), "{url}");
        }
        assert_eq!(issuer.asked(), 0);
    });
}
