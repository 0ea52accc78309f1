//! Fuzz bodies: plain functions over bytes that assert what must hold for any input.
//!
//! The same bodies run in three ways: over their committed corpus and some random input in the
//! tests, for longer with the `stable` program, and guided by coverage under cargo-fuzz.

#![forbid(unsafe_code)]

mod case;
mod run;

pub use case::Corpus;
pub use run::{Limit, Tally, random, replay, run_one};

/// One fuzz body.
#[derive(Clone, Copy)]
pub struct Body {
    /// The module and the function, as `apikey_parse`; also the corpus folder's name.
    pub name: &'static str,
    /// The body. It panics when something does not hold.
    pub run: fn(&[u8]),
}

macro_rules! bodies {
    ($($module:ident: $($body:ident),+;)+) => {
        $(pub mod $module;)+

        /// Every body.
        pub const BODIES: &[Body] = &[$($(Body {
            name: concat!(stringify!($module), "_", stringify!($body)),
            run: $module::$body,
        },)+)+];
    };
}

bodies! {
    apikey: legacy, mint, networks, parse, present;
    auditchain: anchor, batch_file, cadence_of_times, checkpoint, cosignature, cursor, entry_bundle, erasure,
        export_manifest, frontier, leaf, multiproof, note, payload, platform_entry, proof_file, proofs, range, receipt,
        tile_path, verifier_key, verify;
    auditchain_leaf: view;
    auditchain_store: log_files, open, payload_bundle, wal_frame;
    envelope: keyring, open;
    envelope_stream: open, round_trip;
    llm_wire: answer, request, reversible;
    pii: policy, redact, redact_csv, redact_json, restore, scan_text, stream;
    tenancy: base62;
    tenant_token: id_token, issuer_keys, jwks, private_key, refresh, verify;
    webhook_sig: headers, round_trip, schemes, schemes_round_trip, secret;
}
