//! Mints an access token for an agent that acts for a user, verifies it, and refuses its misuses.

use std::error::Error;

use strongroom::tenancy::{Actor, CapabilitySet};
use strongroom::tenant_token::{
    ACCESS_TOKEN_LIFETIME, Authentication, Claims, JwkSet, SigningKey, TokenError, Verifier, mint,
};

const ISSUER: &str = "https://id.example.com";
const API: &str = "https://api.example.com";

fn main() -> Result<(), Box<dyn Error>> {
    let now = 1_800_000_000;
    let key = SigningKey::generate()?;
    let agent = "agent:0190b2a4-8c7e-7d3a-9f00-0242ac120004".parse()?;
    let user = "user:0190b2a4-8c7e-7d3a-9f00-0242ac120003".parse()?;
    let claims = Claims {
        issuer: ISSUER.to_owned(),
        audience: API.to_owned(),
        tenant: "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?,
        actor: Actor::delegated(agent, vec![user])?,
        capabilities: "chat:create".parse::<CapabilitySet>()?,
        issued_at: now,
        expires_at: now + ACCESS_TOKEN_LIFETIME,
        token_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120005".parse()?,
        session_id: "0190b2a4-8c7e-7d3a-9f00-0242ac120006".parse()?,
        client_id: "console".to_owned(),
        authentication: Authentication::at(now),
        epoch: 0,
    };
    let token = mint(&key, &claims)?;
    println!("a token of {} bytes under key {}", token.len(), key.kid());

    // What the issuer publishes is all that a service needs.
    let published = JwkSet::of(&[key.public_key()]).to_json();
    let api = Verifier::new(ISSUER, API, JwkSet::parse(&published)?);
    let verified = api.verify(&token, now + 60)?;
    assert_eq!(verified.claims(), &claims);
    println!("{} may {}", claims.actor.id(), claims.capabilities);

    let expired = api
        .verify(&token, claims.expires_at + 30)
        .err()
        .ok_or("expired and accepted")?;
    assert_eq!(expired.error(), TokenError::Expired);
    // The signature held, so the refusal can go into the tenant's audit log.
    println!("later: {expired}, of tenant {:?}", expired.tenant());

    let other = Verifier::new(
        ISSUER,
        "https://other.example.com",
        JwkSet::parse(&published)?,
    );
    let elsewhere = other
        .verify(&token, now)
        .err()
        .ok_or("accepted by another service")?;
    println!("elsewhere: {elsewhere}");

    let stranger = JwkSet::of(&[SigningKey::generate()?.public_key()]);
    let unknown = Verifier::new(ISSUER, API, stranger)
        .verify(&token, now)
        .err();
    println!(
        "under other keys: {}",
        unknown.ok_or("accepted under other keys")?
    );
    Ok(())
}
