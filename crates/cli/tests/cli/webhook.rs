//! Webhooks.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use strongroom::webhook_sig::{HeaderSet, SigningSecret, Verifier};

use crate::shell::{Shell, assert_private};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn a_webhook_is_signed_and_verified() {
    let shell = Shell::new();
    shell.run("webhook keygen --out secret").ends_with(0);
    assert_private(&shell.path("secret"));
    shell.file("body", "{}").file("other", "{ }");
    let sign = "webhook sign --secret-file secret --id msg_1 --timestamp 1000 body";
    let signed = shell.run(sign).ends_with(0);
    shell.file("headers", signed.text());

    let verify = "webhook verify --secret-file secret --headers headers --json --now";
    let told = shell
        .run(&format!("{verify} 1300 body"))
        .ends_with(0)
        .json();
    assert_eq!(
        (told["id"].as_str(), told["timestamp"].as_u64()),
        (Some("msg_1"), Some(1000))
    );
    let stale = shell
        .run(&format!("{verify} 1301 body"))
        .ends_with(1)
        .json();
    assert_eq!(
        stale["type"],
        "https://strongroom.dev/problems/webhook-too-old"
    );
    shell
        .run(&format!("{verify} 1301 --tolerance 301 body"))
        .ends_with(0);
    let altered = shell
        .run(&format!("{verify} 1000 other"))
        .ends_with(1)
        .json();
    assert_eq!(altered["detail"], "no signature matches");
    shell.file("headers", signed.text().lines().next().unwrap());
    let missing = shell
        .run(&format!("{verify} 1000 body"))
        .ends_with(1)
        .json();
    assert_eq!(missing["status"], 401);
    shell.file("headers", "no colon");
    shell.run(&format!("{verify} 1000 body")).ends_with(2);
}

/// The example of the Standard Webhooks specification.
#[test]
fn a_signature_is_the_standard_one() {
    let shell = Shell::new();
    shell.file("secret", format!("{SECRET}\n"));
    let line = "webhook sign --secret-file secret --id msg_p5jXN8AQM9LWM0D4loKWxJek \
                --timestamp 1614265330 --json";
    let told = shell
        .run_with(line, r#"{"test": 2432232314}"#)
        .ends_with(0)
        .json();
    let signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(told["webhook-signature"], signature);

    // During a rotation both sign.
    let new = shell.run("webhook keygen").ends_with(0).text().to_owned();
    shell.file("secret", format!("{new}{SECRET}\n"));
    let both = shell
        .run_with(line, r#"{"test": 2432232314}"#)
        .ends_with(0)
        .json();
    let both = both["webhook-signature"].as_str().unwrap();
    assert!(both.ends_with(signature) && both.split(' ').count() == 2);

    shell.file("secret", "whsec_short");
    shell
        .run_with(line, "{}")
        .ends_with(2)
        .never_says("whsec_short");
}

#[test]
fn a_pair_of_keys_signs_and_verifies() {
    let shell = Shell::new();
    let public = shell.run("webhook keygen --asymmetric --out private");
    let public = public.ends_with(0);
    assert_private(&shell.path("private"));
    let private = std::fs::read_to_string(shell.path("private")).unwrap();
    assert!(private.starts_with("whsk_") && public.text().starts_with("whpk_"));
    shell.file("public", public.text()).file("body", "{}");
    let told = shell.run("webhook keygen --asymmetric --out other --json");
    let told = told.ends_with(0).json();
    shell.file("other-public", told["public"].as_str().unwrap());
    // A private key goes into a file and nowhere else.
    shell.run("webhook keygen --asymmetric").ends_with(2);

    let signed = shell.run("webhook sign --secret-file private --timestamp 1000 body");
    let signed = signed.ends_with(0).never_says(private.trim_end());
    assert!(signed.text().contains("webhook-id: msg_"));
    assert!(signed.text().contains("webhook-signature: v1a,"));
    shell.file("headers", signed.text());
    let verify = |key: &str| {
        let line = format!("webhook verify --secret-file {key} --headers headers --now 1000 body");
        shell.run(&line)
    };
    verify("public").ends_with(0);
    let refused = verify("other-public").ends_with(1).json();
    assert_eq!(refused["detail"], "no signature matches");
    // What signs is not what verifies.
    verify("private")
        .ends_with(2)
        .never_says(private.trim_end());
    shell
        .run("webhook sign --secret-file public body")
        .ends_with(2);
}

#[test]
fn the_schemes_of_others() {
    let shell = Shell::new();
    shell.file("body", "{}").file("other", "{ }");
    for (scheme, secret, header) in [
        ("svix", SECRET, "svix-signature: v1,"),
        ("stripe", SECRET, "stripe-signature: t=1000,v1="),
        (
            "slack",
            "8f742231b10e8888abcd99yyyzzz85a5",
            "x-slack-signature: v0=",
        ),
    ] {
        shell.file("secret", secret);
        let line = format!("webhook sign --scheme {scheme} --secret-file secret --timestamp 1000");
        let signed = shell.run(&format!("{line} body")).ends_with(0);
        assert!(signed.text().contains(header), "{}", signed.text());
        shell.file("headers", signed.text());
        let verify = |scheme: &str, rest: &str| {
            let line = format!("webhook verify --scheme {scheme} --secret-file secret");
            shell.run(&format!("{line} --headers headers --now {rest}"))
        };
        verify(scheme, "1300 body").ends_with(0);
        verify(scheme, "1301 body").ends_with(1);
        verify(scheme, "1000 other").ends_with(1);
        verify("standard", "1000 body");
        verify(scheme, "1000 --without-window body").ends_with(2);
    }
}

/// GitHub signs no time: whoever wants that says so.
#[test]
fn a_scheme_without_a_window_is_asked_for() {
    let shell = Shell::new();
    shell.file("secret", "It's a Secret to Everybody");
    shell.file("body", "Hello, World!");
    let signed = shell.run("webhook sign --scheme github --secret-file secret body");
    let signed = signed.ends_with(0);
    let published = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(signed.text().contains(published));
    shell.file("headers", signed.text());
    let verify = "webhook verify --scheme github --secret-file secret --headers headers";
    let refused = shell.run(&format!("{verify} body")).ends_with(2);
    assert!(refused.stderr.contains("--without-window"));
    let line = format!("{verify} --without-window --json");
    let told = shell.run(&format!("{line} body")).ends_with(0).json();
    assert!(told["timestamp"].is_null() && told["id"].is_null());
    assert_eq!(told["sha256"].as_str().map(str::len), Some(64));
    shell.run_with(&line, "Hello, World?").ends_with(1);
    shell.run(&format!("{line} --now 1 body")).ends_with(2);
}

/// Answers one request, and gives its head and body.
fn receiver(answer: &'static str) -> (u16, JoinHandle<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        let (head, body) = loop {
            let read = stream.read(&mut chunk).unwrap();
            assert_ne!(read, 0);
            bytes.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then_some(value)
            });
            if length.unwrap().parse() == Ok(body.len()) {
                break (head.to_owned(), body.as_bytes().to_vec());
            }
        };
        write!(stream, "HTTP/1.1 {answer}\r\nconnection: close\r\n\r\n").unwrap();
        (head, body)
    });
    (port, heard)
}

#[test]
fn a_message_is_sent_signed() {
    let shell = Shell::new();
    shell.file("secret", SECRET).file("body", r#"{"order":17}"#);
    let send = |port: u16, more: &str| {
        let url = format!("http://127.0.0.1:{port}/hooks?a=b");
        shell.run(&format!(
            "webhook send --secret-file secret --url {url} --json{more} body"
        ))
    };
    let (port, heard) = receiver("204 No Content");
    let told = send(port, " --id msg_1").ends_with(0).json();
    assert_eq!(
        (told["status"].as_u64(), told["webhook-id"].as_str()),
        (Some(204), Some("msg_1"))
    );
    assert!(
        told["webhook-signature"].is_null(),
        "it is good for whoever reads this"
    );
    let (head, body) = heard.join().unwrap();
    assert!(head.starts_with("POST /hooks?a=b HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = headers
        .map(|(name, value)| (name, value.as_bytes()))
        .collect();
    let secret: SigningSecret = SECRET.parse().unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let set = HeaderSet::collect(headers).unwrap();
    let verified = Verifier::new([secret])
        .unwrap()
        .verify(&set, &body, now)
        .unwrap();
    assert_eq!(verified.message_id().as_str(), "msg_1");

    let (port, heard) = receiver("503 Unavailable\r\nretry-after: 7");
    let told = send(port, "").ends_with(1).json();
    assert_eq!(
        (told["status"].as_u64(), told["retry-after"].as_str()),
        (Some(503), Some("7"))
    );
    heard.join().unwrap();
}

/// Who is redirected would sign for somebody else.
#[test]
fn a_redirect_is_not_followed() {
    let shell = Shell::new();
    shell.file("secret", SECRET).file("body", "{}");
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let answer = format!("307 Elsewhere\r\nlocation: http://127.0.0.1:{port}/").leak();
    let (port, heard) = receiver(answer);
    let url = format!("http://127.0.0.1:{port}/");
    let send = |url: &str, more: &str| {
        let line = format!("webhook send --secret-file secret --url {url}{more} body");
        shell.run(&line)
    };
    let told = send(&url, " --json").ends_with(1).json();
    assert_eq!(told["status"].as_u64(), Some(307));
    heard.join().unwrap();
    assert!(elsewhere.accept().is_err(), "nobody called");

    // Nobody is there, as nobody is given this port by chance; and where plain http does not go.
    let gone = send("http://127.0.0.1:1/", " --timeout 5").ends_with(1);
    assert!(gone.stderr.contains("not delivered"), "{}", gone.stderr);
    // A receiver that speaks no TLS is no receiver for https.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    plain.set_nonblocking(true).unwrap();
    let port = plain.local_addr().unwrap().port();
    let hung_up = thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(60);
        while plain.accept().is_err() {
            assert!(Instant::now() < until, "nobody called");
            thread::sleep(Duration::from_millis(5));
        }
    });
    let untrusted = send(&format!("https://127.0.0.1:{port}/"), " --timeout 5").ends_with(1);
    assert!(
        untrusted.stderr.contains("not delivered"),
        "{}",
        untrusted.stderr
    );
    hung_up.join().unwrap();
    send("http://example.com/", "").ends_with(2);
    send("https://user@example.com/", "").ends_with(2);
}
