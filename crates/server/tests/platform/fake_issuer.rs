//! A fake issuer: an HTTP server on loopback with RSA and EC keys made at run time.

use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaPublicKeyComponents,
};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// An issuer's keys and what it answers when it is asked for them.
pub(crate) struct FakeIssuer {
    pub(crate) base: String,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    answers: Arc<Answers>,
}

#[derive(Default)]
struct Answers {
    next: Mutex<Option<Answer>>,
    asked: Mutex<usize>,
}

/// What is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    Keys(String),
    Status(u16),
    Redirect(String),
    Slowly(String),
    /// Once this is closed.
    Held(String, Arc<Semaphore>),
    Endless,
    Never,
}

async fn keys(State(answers): State<Arc<Answers>>) -> Response {
    *answers.asked.lock().unwrap() += 1;
    let answer = answers.next.lock().unwrap().clone();
    match answer.unwrap_or(Answer::Status(404)) {
        Answer::Keys(text) => text.into_response(),
        Answer::Status(status) => http::StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect(to) => (http::StatusCode::FOUND, [("location", to)]).into_response(),
        Answer::Slowly(text) => {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            text.into_response()
        }
        Answer::Held(text, word) => {
            let _ = word.acquire().await;
            text.into_response()
        }
        Answer::Endless => {
            let spaces = axum::body::Bytes::from_static(&[b' '; 1024]);
            let chunks = std::iter::repeat_with(move || Ok::<_, std::io::Error>(spaces.clone()));
            axum::body::Body::from_stream(futures_util::stream::iter(chunks)).into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}

/// An RSA key takes a second to find: the tests of this process share one.
fn rsa() -> RsaKeyPair {
    static PRIVATE: OnceLock<Vec<u8>> = OnceLock::new();
    let private = PRIVATE.get_or_init(|| {
        use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
        private.as_ref().to_vec()
    });
    RsaKeyPair::from_pkcs8(private).unwrap()
}

impl FakeIssuer {
    pub(crate) async fn start() -> Self {
        let answers = Arc::new(Answers::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/keys", axum::routing::get(keys))
            .with_state(Arc::clone(&answers));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let issuer = Self {
            base,
            rsa: rsa(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            answers,
        };
        issuer.answer(Answer::Keys(issuer.jwks()));
        issuer
    }

    /// Where its keys are.
    pub(crate) fn url(&self) -> reqwest::Url {
        format!("{}/keys", self.base).parse().unwrap()
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answers.next.lock().unwrap() = Some(answer);
    }

    /// How often its keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        *self.answers.asked.lock().unwrap()
    }

    /// Its JWK Set.
    pub(crate) fn jwks(&self) -> String {
        self.jwks_as("rsa", "ec")
    }

    /// The same keys by other names.
    pub(crate) fn jwks_as(&self, rsa: &str, ec: &str) -> String {
        let public = RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
        let point = self.ec.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let rsa = json!({ "kty": "RSA", "kid": rsa, "use": "sig", "alg": "RS256",
            "n": text(&public.n), "e": text(&public.e) });
        let ec = json!({ "kty": "EC", "kid": ec, "use": "sig", "crv": "P-256",
            "x": text(&point[1..33]), "y": text(&point[33..]) });
        json!({ "keys": [rsa, ec] }).to_string()
    }

    /// The claims that it would put into a token at `now`.
    pub(crate) fn claims(&self, now: u64) -> Value {
        json!({ "iss": self.base, "sub": "alice", "aud": "console",
            "iat": now, "exp": now + 300, "auth_time": now - 5, "amr": ["pwd"] })
    }

    /// A token under `kid`, RS256 for `rsa…` and ES256 for others.
    pub(crate) fn sign(&self, kid: &str, claims: &Value) -> String {
        let is_rsa = kid.starts_with("rsa");
        let header = json!({ "alg": if is_rsa { "RS256" } else { "ES256" }, "kid": kid });
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", text(&header), text(claims));
        let random = SystemRandom::new();
        let signature = if is_rsa {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            let padding = &RSA_PKCS1_SHA256;
            self.rsa
                .sign(padding, &random, signed.as_bytes(), &mut signature)
                .unwrap();
            signature
        } else {
            let signature = self.ec.sign(&random, signed.as_bytes()).unwrap();
            signature.as_ref().to_vec()
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
