//! `strongroom token`: access tokens, minted and verified.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use strongroom::tenancy::{Actor, ActorId, Capability, CapabilitySet, TenantId};
use strongroom::tenant_token::{ACCESS_TOKEN_LIFETIME, Claims, JwkSet, SigningKey, Verifier, mint};
use uuid::{Builder, Uuid};

use crate::clock;
use crate::failure::Failure;
use crate::input::{self, MAX_DOCUMENT};
use crate::jwk;
use crate::output::{self, Output};
use crate::report::Report;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a signing key, as a private JWK in a new file
    #[command(after_help = "Examples:\n  strongroom token keygen --out token.key")]
    Keygen {
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
}

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
        Verb::Keygen { out } => {
            let key = SigningKey::generate().map_err(Failure::unusable)?;
            output::create_private(&out, jwk::write(&key).as_bytes())?;
            Report::new().with("kid", key.kid()).print(output)
        }
        Verb::Jwks { key_files } => {
            let keys = key_files
                .iter()
                .map(|path| Ok(jwk::read(path)?.public_key()));
            let keys: Vec<_> = keys.collect::<Result<_, Failure>>()?;
            output::write(format!("{}\n", JwkSet::of(&keys).to_json()).as_bytes())
        }
        Verb::Mint(options) => sign(options, output),
        Verb::Verify(options) => verify(&options, output),
    }
}

fn sign(options: Mint, output: Output) -> Result<(), Failure> {
    let key = jwk::read(&options.key_file)?;
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
        .print(output)
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
