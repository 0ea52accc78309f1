//! `strongroom token`: access tokens, minted, verified and looked into.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;
use strongroom::tenancy::{Actor, ActorId, Capability, CapabilitySet, TenantId};
use strongroom::tenant_token::hazmat::decode_unverified;
use strongroom::tenant_token::{
    ACCESS_TOKEN_LIFETIME, Algorithm, Authentication, Claims, JwkSet, SigningKey, Verifier, mint,
};
use uuid::{Builder, Uuid};

use crate::clock;
use crate::failure::Failure;
use crate::input::{self, MAX_DOCUMENT};
use crate::output::{self, Output};
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a signing key, as a private JWK in a new file
    #[command(after_help = KEYGEN_HELP)]
    Keygen {
        /// EdDSA, or ES256 for peers without Ed25519
        #[arg(long, value_name = "ALGORITHM", default_value_t = Algorithm::EdDsa)]
        alg: Algorithm,
        /// The new file, readable by its owner alone
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the JWK Set to publish for one or more keys
    #[command(after_help = JWKS_HELP)]
    Jwks {
        /// Holds a signing key; repeat for the keys of an overlap
        #[arg(long = "key-file", value_name = "FILE", required = true)]
        key_files: Vec<PathBuf>,
    },
    /// Sign a token and print it
    #[command(after_help = MINT_HELP)]
    Mint(Mint),
    /// Verify a token and print what it says
    #[command(after_help = VERIFY_HELP)]
    Verify(Verify),
    /// Show a token's header and claims without verifying them
    #[command(after_help = DECODE_HELP)]
    Decode {
        /// Holds the token
        token: Option<PathBuf>,
    },
}

const KEYGEN_HELP: &str = "\
Examples:
  strongroom token keygen --out token.key
  strongroom token keygen --alg ES256 --out token.key";

const DECODE_HELP: &str = "\
Anybody can write what this shows: it says nothing of whether the token is good.

Examples:
  strongroom token decode < token
  strongroom token decode --json token | jq .claims";

const JWKS_HELP: &str = "\
Examples:
  strongroom token jwks --key-file token.key > jwks.json
  strongroom token jwks --key-file old.key --key-file new.key > jwks.json";

const MINT_HELP: &str = "\
A token is a bearer secret: pipe it, and do not keep it.

Examples:
  strongroom token mint --key-file token.key --issuer https://id.example.com \\
    --audience https://api.example.com --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 \\
    --actor user:0190b2a4-8c7e-7d3a-9f00-0242ac120003 --cap chat:create,audit:read";

const VERIFY_HELP: &str = "\
Examples:
  strongroom token verify --jwks jwks.json --issuer https://id.example.com \\
    --audience https://api.example.com < token";

#[derive(Args)]
pub(crate) struct Mint {
    /// Holds the signing key
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Who mints the token
    #[arg(long)]
    issuer: String,
    /// The one service that the token is for
    #[arg(long)]
    audience: String,
    /// The tenant whose data it opens
    #[arg(long, value_name = "UUID")]
    tenant: TenantId,
    /// Who acts: user:UUID, service:UUID, agent:UUID or platform:UUID
    #[arg(long)]
    actor: ActorId,
    /// For whom the actor acts, nearest first; repeat for a chain
    #[arg(long, value_name = "ACTOR")]
    on_behalf_of: Vec<ActorId>,
    /// What the bearer may do; repeat, or separate with commas
    #[arg(
        long = "cap",
        value_name = "CAPABILITY",
        value_delimiter = ',',
        required = true
    )]
    capabilities: Vec<Capability>,
    /// The program that asks for the token
    #[arg(long, default_value = "strongroom-cli")]
    client_id: String,
    /// How the actor authenticated: an RFC 8176 name; repeat, or separate with commas
    #[arg(long = "amr", value_name = "METHOD", value_delimiter = ',')]
    methods: Vec<String>,
    /// The class of the authentication
    #[arg(long, value_name = "CLASS")]
    acr: Option<String>,
    /// When the actor authenticated, in Unix seconds; when the token is minted unless given
    #[arg(long, value_name = "SECONDS")]
    auth_time: Option<u64>,
    /// The tenant's epoch
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    epoch: u64,
    /// How long it is valid, in seconds: at most 3600
    #[arg(long, value_name = "SECONDS", default_value_t = ACCESS_TOKEN_LIFETIME)]
    lifetime: u64,
    /// When it is minted, in Unix seconds; now unless given
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// Holds the issuer's JWK Set
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// The issuer that it must be from
    #[arg(long)]
    issuer: String,
    /// The service that it must be for
    #[arg(long)]
    audience: String,
    /// The time at which it must be valid, in Unix seconds; now unless given
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
    /// Holds the token
    token: Option<PathBuf>,
}

pub(crate) fn run(verb: Verb, output: Output) -> Result<(), Failure> {
    match verb {
        Verb::Keygen { alg, out } => {
            let key = SigningKey::generate_for(alg).map_err(Failure::unusable)?;
            output::create_private(&out, key.expose_jwk().as_bytes())?;
            Report::new()
                .with("kid", key.kid())
                .with_text("alg", alg)
                .print(output)
        }
        Verb::Jwks { key_files } => {
            let keys = key_files
                .iter()
                .map(|path| Ok(read_key(path)?.public_key()));
            let keys: Vec<_> = keys.collect::<Result<_, Failure>>()?;
            output::write(format!("{}\n", JwkSet::of(&keys).to_json()).as_bytes())
        }
        Verb::Mint(options) => sign(options, output),
        Verb::Verify(options) => verify(&options, output),
        Verb::Decode { token } => decode(token.as_deref(), output),
    }
}

fn sign(options: Mint, output: Output) -> Result<(), Failure> {
    let key = read_key(&options.key_file)?;
    let now = clock::now_or(options.now);
    let actor = Actor::delegated(options.actor, options.on_behalf_of);
    let claims = Claims {
        issuer: options.issuer,
        audience: options.audience,
        tenant: options.tenant,
        actor: actor.map_err(Failure::unusable)?,
        capabilities: CapabilitySet::of(&options.capabilities),
        issued_at: now,
        expires_at: now.saturating_add(options.lifetime),
        token_id: generate_id()?,
        session_id: generate_id()?,
        client_id: options.client_id,
        authentication: Authentication {
            time: options.auth_time.unwrap_or(now),
            class: options.acr,
            methods: options.methods,
        },
        epoch: options.epoch,
    };
    let token = mint(&key, &claims).map_err(Failure::unusable)?;
    match output {
        Output::Text => output::write(format!("{token}\n").as_bytes()),
        Output::Json => Report::new()
            .with("token", token)
            .with("expires_at", claims.expires_at)
            .print(output),
    }
}

fn verify(options: &Verify, output: Output) -> Result<(), Failure> {
    let keys = read_jwks(&options.jwks)?;
    let token = input::secret(options.token.as_deref())?;
    let verifier = Verifier::new(&*options.issuer, &*options.audience, keys);
    let verified = verifier
        .verify(&token, clock::now_or(options.now))
        .map_err(|refused| Failure::refused_with(refused.error().code(), refused))?;
    let claims = verified.claims();
    let chain = claims.actor.on_behalf_of().iter().map(ToString::to_string);
    let capabilities = claims.capabilities.iter().map(Capability::as_str);
    Report::valid("token")
        .with("issuer", claims.issuer.as_str())
        .with("audience", claims.audience.as_str())
        .with_text("tenant", claims.tenant)
        .with_text("actor", claims.actor.id())
        .with("on_behalf_of", chain.collect::<Vec<_>>())
        .with("capabilities", capabilities.collect::<Vec<_>>())
        .with("issued_at", claims.issued_at)
        .with("expires_at", claims.expires_at)
        .with_text("token_id", claims.token_id)
        .with_text("session_id", claims.session_id)
        .with("client_id", claims.client_id.as_str())
        .with("authenticated_at", claims.authentication.time)
        .with("acr", claims.authentication.class.clone())
        .with("amr", claims.authentication.methods.clone())
        .with("epoch", claims.epoch)
        .with("kid", verified.kid())
        .print(output)
}

fn decode(token: Option<&Path>, output: Output) -> Result<(), Failure> {
    let token = input::secret(token)?;
    let shown = decode_unverified(&token)
        .map_err(|refused| Failure::refused_with(refused.code(), refused))?;
    match output {
        Output::Text => {
            let text = format!(
                "not verified\nheader: {}\nclaims: {}\n",
                printable(&shown.header),
                printable(&shown.claims)
            );
            output::write(text.as_bytes())
        }
        Output::Json => {
            let value = |json: &str| serde_json::from_str::<Value>(json).map_err(Failure::unusable);
            Report::new()
                .with("verified", false)
                .with("header", value(&shown.header)?)
                .with("claims", value(&shown.claims)?)
                .print(output)
        }
    }
}

/// A text of anybody's, without what a terminal would obey.
fn printable(text: &str) -> String {
    let shown = |char: char| if char.is_control() { ' ' } else { char };
    text.chars().map(shown).collect()
}

fn read_key(path: &Path) -> Result<SigningKey, Failure> {
    let text = input::secret(Some(path))?;
    let key = SigningKey::from_jwk(&text);
    key.map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))
}

fn read_jwks(path: &Path) -> Result<JwkSet, Failure> {
    let text = input::text(Some(path), MAX_DOCUMENT)?;
    let keys = JwkSet::parse(&text);
    keys.map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))
}

fn generate_id() -> Result<Uuid, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Failure::unusable)?;
    Ok(Builder::from_random_bytes(bytes).into_uuid())
}
