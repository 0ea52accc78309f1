//! `append`.

use std::io::{self, BufRead as _, Read as _};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use strongroom::auditchain::store::{AppendError, Ticket};
use strongroom::auditchain::{Leaf, Origin, Payload, VerifierKey};
use strongroom::envelope::{EncryptionContext, KeyRef, LocalKms, Recipient, seal};
use strongroom::tenancy::TenantId;

use super::event::Typed;
use super::store::Store;
use crate::failure::Failure;
use crate::output::{self, Output};

pub(super) const HELP: &str = "\
Events come on standard input, one JSON object a line: kind and source, and as needed id, time_us,
actor, on_behalf_of, resource, credential, request_id, policy, outcome and reason, as `strongroom
audit show --json` prints them; and payload, an object of texts. The entry commits to each text
under a salt of its own. The payload itself is kept beside the entry, sealed under a tenant's key
(--keyring), or with --in-clear as it is.

For each event one line is printed once the entry is durable, and never before: its id, its index,
and its receipt, in the order of the input. An event with an id can be given again after any error:
it is written once, and gets the receipt of the entry that is there. Without an id it gets one, and
without a request_id it is a request of its own.

Examples:
  echo '{\"kind\":\"user.login\",\"source\":\"web\"}' | strongroom audit append --zone zone \\
    --signed signed --key audit.key --origin audit.example.com/t/acme
  strongroom audit append --zone /a/zone --zone /b/zone --zone /c/zone --signed /d/signed \\
    --key audit.key --origin audit.example.com/t/acme --keyring keys \\
    --tenant 0190b2a4-8c7e-7d3a-9f00-0242ac120002 --json < events.jsonl > receipts.jsonl";

/// The longest line of input, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// How many entries are on their way at once: they become few batches.
const AT_ONCE: usize = 1024;

#[derive(Args)]
pub(crate) struct Append {
    #[command(flatten)]
    store: Store,
    /// The log
    #[arg(long)]
    origin: Origin,
    /// The directory of keyrings under whose key payloads are sealed
    #[arg(long, value_name = "DIR", requires = "tenant")]
    keyring: Option<PathBuf>,
    /// The tenant whose key it is
    #[arg(long, value_name = "UUID", requires = "keyring")]
    tenant: Option<TenantId>,
    /// The key's name
    #[arg(long, value_name = "NAME", default_value = "root")]
    payload_key: KeyRef,
    /// Keep payloads as they are, readable by whoever can read a zone
    #[arg(long, conflicts_with = "keyring")]
    in_clear: bool,
}

/// An entry on its way.
struct Sent {
    id: String,
    ticket: Ticket,
}

pub(super) fn run(append: &Append, output: Output) -> Result<(), Failure> {
    let signer = append.store.signer()?;
    let kms = match &append.keyring {
        Some(path) => {
            let kms = LocalKms::open(path);
            Some(kms.map_err(|error| Failure::unusable(format!("{}: {error}", path.display())))?)
        }
        None => None,
    };
    let store = append.store.open(&signer)?;
    let mut input = io::stdin().lock();
    let (mut number, mut sent) = (0_u64, Vec::new());
    loop {
        let mut line = zeroize::Zeroizing::new(Vec::new());
        let most = MAX_LINE as u64 + 1;
        let read = (&mut input).take(most).read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::unusable(format!("standard input: {error}")))?;
        number += 1;
        let failed = |why: &dyn std::fmt::Display| {
            Failure::unusable(format!("line {number}: {why}; no later line was appended"))
        };
        if read > MAX_LINE {
            answer(&mut sent, signer.verifier_key(), output)?;
            return Err(failed(&"longer than 1 MiB"));
        }
        if line.trim_ascii().is_empty() {
            if read == 0 {
                break;
            }
            continue;
        }
        let prepared = Typed::read(&line)
            .map_err(|why| failed(&why))
            .and_then(|typed| prepare(append, kms.as_ref(), typed).map_err(|why| failed(&why)));
        let (id, leaf, payload) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => {
                answer(&mut sent, signer.verifier_key(), output)?;
                return Err(failure);
            }
        };
        if sent.len() >= AT_ONCE {
            answer(&mut sent, signer.verifier_key(), output)?;
        }
        let mut submitted = store.submit(&append.origin, leaf.clone(), payload.clone());
        if matches!(submitted, Err(AppendError::Busy(_))) {
            answer(&mut sent, signer.verifier_key(), output)?;
            submitted = store.submit(&append.origin, leaf, payload);
        }
        match submitted {
            Ok(ticket) => sent.push(Sent { id, ticket }),
            Err(error) => {
                answer(&mut sent, signer.verifier_key(), output)?;
                return Err(failed(&error));
            }
        }
    }
    answer(&mut sent, signer.verifier_key(), output)
}

/// The entry, and what is kept beside it.
fn prepare(
    append: &Append,
    kms: Option<&LocalKms>,
    typed: Typed,
) -> Result<(String, Leaf, Vec<u8>), String> {
    let mut event = typed.event;
    let mut kept = Vec::new();
    if !typed.fields.is_empty() {
        let payload = Payload::generate(event.id, typed.fields).map_err(|it| it.to_string())?;
        event.commitments = payload.commitments();
        kept = match (kms, &append.tenant) {
            (Some(kms), Some(tenant)) => {
                let pairs = [
                    ("purpose".to_owned(), "audit-payload".to_owned()),
                    ("event".to_owned(), event.id.to_string()),
                ];
                let context = EncryptionContext::new(pairs).map_err(|it| it.to_string())?;
                let to = [Recipient::new(kms, &append.payload_key)];
                let plaintext = payload.encode();
                let sealing = seal(&to, tenant, &context, &plaintext);
                pollster::block_on(sealing).map_err(|it| it.to_string())?
            }
            _ if append.in_clear => payload.encode().to_vec(),
            _ => return Err("has a payload: give --keyring and --tenant, or --in-clear".to_owned()),
        };
    }
    let leaf = Leaf::encode(&event).map_err(|error| error.to_string())?;
    Ok((event.id.to_string(), leaf, kept))
}

/// Waits for what is on its way, and prints it.
fn answer(sent: &mut Vec<Sent>, key: &VerifierKey, output: Output) -> Result<(), Failure> {
    let mut lines = String::new();
    let mut failed = None;
    for Sent { id, ticket } in sent.drain(..) {
        match ticket.wait() {
            Ok(appended) => {
                let verified = appended.receipt.verify(key).map_err(Failure::unusable)?;
                let (index, receipt) = (verified.index(), appended.receipt.to_header());
                let zones = appended.zones;
                lines.push_str(&match output {
                    Output::Text => format!("{id} {index} {receipt}\n"),
                    Output::Json => {
                        let index = index.to_string();
                        let of =
                            json!({"id": id, "index": index, "zones": zones, "receipt": receipt});
                        format!("{of}\n")
                    }
                });
            }
            Err(error) if failed.is_none() => {
                failed = Some(Failure::unusable(format!("event {id}: {error}")));
            }
            Err(_) => {}
        }
    }
    output::write(lines.as_bytes())?;
    failed.map_or(Ok(()), Err)
}
