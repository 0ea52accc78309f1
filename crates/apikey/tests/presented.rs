//! The presentation: one credential, in one place, never in a URL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;
use strongroom_apikey::{Place, PresentationError, Presented, TEST_KEY};

fn find<'a>(
    headers: &[(&'a str, &'a str)],
    target: &str,
) -> Result<Option<(Place, &'a str)>, PresentationError> {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()));
    let found = Presented::find(headers, target)?;
    Ok(found.map(|shown| (shown.place(), shown.expose())))
}

#[test]
fn either_field_in_any_case_and_the_key_as_it_stands() {
    let bearer = format!("bEaReR {TEST_KEY}");
    for (name, value, place) in [
        ("X-API-Key", TEST_KEY, Place::XApiKey),
        ("x-api-key", TEST_KEY, Place::XApiKey),
        ("Authorization", bearer.as_str(), Place::Bearer),
        ("AUTHORIZATION", bearer.as_str(), Place::Bearer),
    ] {
        let headers = [("host", "x"), (name, value), ("accept", "*/*")];
        assert_eq!(
            find(&headers, "/v1?limit=5"),
            Ok(Some((place, TEST_KEY))),
            "{name}"
        );
    }
    assert_eq!(find(&[("host", "x")], "/"), Ok(None));
    assert_eq!(find(&[], ""), Ok(None));
    // The key's own case is its own: this is another text, and no key.
    let upper = TEST_KEY.to_ascii_uppercase();
    let headers = [("x-api-key", upper.as_bytes())];
    let shown = Presented::find(headers, "/").unwrap().unwrap();
    assert!(shown.key().is_err());
}

#[test]
fn rejections() {
    use PresentationError::{InUrl, Malformed, TwoCredentials, WrongScheme};
    let bearer = format!("Bearer {TEST_KEY}");
    let (two_spaces, behind) = (format!("Bearer  {TEST_KEY}"), format!("{bearer} "));
    let (tab, list) = (
        format!("Bearer\t{TEST_KEY}"),
        format!("{TEST_KEY}, {TEST_KEY}"),
    );
    let (long, longest) = ("x".repeat(256), "x".repeat(255));
    assert!(find(&[("x-api-key", &longest)], "/").is_ok());
    let token = |bytes| format!("Bearer {}", "x".repeat(bytes));
    let (longest_token, long_token) = (token(8192), token(8193));
    assert!(find(&[("authorization", &longest_token)], "/").is_ok());
    for (name, headers, error) in [
        (
            "both",
            &[("x-api-key", TEST_KEY), ("authorization", &bearer)][..],
            TwoCredentials,
        ),
        (
            "both, one empty",
            &[("x-api-key", ""), ("authorization", &bearer)],
            TwoCredentials,
        ),
        (
            "a key twice",
            &[("x-api-key", TEST_KEY), ("X-API-KEY", TEST_KEY)],
            TwoCredentials,
        ),
        (
            "bearer twice",
            &[("authorization", &bearer), ("Authorization", &bearer)],
            TwoCredentials,
        ),
        (
            "basic beside a key",
            &[("x-api-key", "x"), ("authorization", "Basic x")],
            TwoCredentials,
        ),
        ("basic", &[("authorization", "Basic dTpw")], WrongScheme),
        ("no scheme", &[("authorization", TEST_KEY)], WrongScheme),
        ("nothing", &[("authorization", "")], WrongScheme),
        ("a tab", &[("authorization", &tab)], WrongScheme),
        (
            "a scheme in front",
            &[("authorization", " Bearer x")],
            WrongScheme,
        ),
        ("scheme alone", &[("authorization", "Bearer")], Malformed),
        (
            "scheme and space",
            &[("authorization", "Bearer ")],
            Malformed,
        ),
        ("two spaces", &[("authorization", &two_spaces)], Malformed),
        ("space behind", &[("authorization", &behind)], Malformed),
        ("empty key", &[("x-api-key", "")], Malformed),
        (
            "bearer in the other field",
            &[("x-api-key", &bearer)],
            Malformed,
        ),
        ("a list", &[("x-api-key", &list)], Malformed),
        ("quoted", &[("x-api-key", "\"x\"")], Malformed),
        ("not ascii", &[("x-api-key", "é")], Malformed),
        ("nul", &[("x-api-key", "x\0")], Malformed),
        ("too long", &[("x-api-key", &long)], Malformed),
        (
            "a token that is too long",
            &[("authorization", &long_token)],
            Malformed,
        ),
    ] {
        assert_eq!(find(headers, "/"), Err(error), "{name}");
    }
    for target in [
        format!("/v1?key={TEST_KEY}"),
        format!("/v1/{TEST_KEY}/x"),
        format!("/v1?x=a&y=b{TEST_KEY}c"),
        format!("/v1?x={}", TEST_KEY.replace('_', "%5f")),
        format!("/v1?x={}", TEST_KEY.replace('c', "%63")),
        format!("/v1%5{TEST_KEY}"),
        "/?api_key=".to_owned(),
        "/?a=1&API-KEY=x".to_owned(),
        "/?apiKey=x".to_owned(),
        "/?a=1;x-api-key=x".to_owned(),
        "/?api%5Fkey=x".to_owned(),
        "/?access_token=x".to_owned(),
        "/?access_token".to_owned(),
        format!("/?{}", "x".repeat(65_536)),
    ] {
        assert_eq!(find(&[], &target), Err(InUrl), "{target:.60}");
        // The URL is refused even with a good header beside it.
        assert_eq!(find(&[("x-api-key", TEST_KEY)], &target), Err(InUrl));
    }
    let mistyped = TEST_KEY.replacen("cust", "dust", 1);
    for target in [
        "/v1?page_token=abc&keyword=x".to_owned(),
        "/v1/api_key?x=1".to_owned(),
        "/?x=%".to_owned(),
        "/?x=%4".to_owned(),
        "/?x=%zz_live_".to_owned(),
        "_live__test_".to_owned(),
        format!("/?x={mistyped}"),
    ] {
        assert_eq!(find(&[], &target), Ok(None), "{target}");
    }
}

#[test]
fn codes_are_in_the_specification_and_debug_shows_the_place() {
    use PresentationError::{InUrl, Malformed, TwoCredentials, WrongScheme};
    let page = include_str!("../../../docs/spec/api-key.md");
    for error in [InUrl, Malformed, TwoCredentials, WrongScheme] {
        assert!(page.contains(&format!("`{}`", error.code())), "{error}");
    }
    let headers = [("x-api-key", TEST_KEY.as_bytes())];
    let shown = Presented::find(headers, "/").unwrap().unwrap();
    assert_eq!(format!("{shown:?}"), "Presented(XApiKey)");
}

proptest! {
    #[test]
    fn finding_never_panics(
        name in "(x-api-key|authorization|.{0,10})",
        value in prop::collection::vec(any::<u8>(), 0..100),
        target in "(/[a-z]{0,9}[?])?([a-z_%0-9&=;]{0,30}_(live|test)_)?.{0,90}",
    ) {
        let headers = [(name.as_str(), value.as_slice())];
        if let Ok(Some(shown)) = Presented::find(headers, &target) {
            prop_assert!(shown.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(value.ends_with(shown.expose().as_bytes()));
        }
    }
}
