//! Degraded notes: what is signed while a zone is missing, in place of a checkpoint.

use strongroom_auditchain::{Ed25519Signer, Hash, Note, NoteError, Origin};
use uuid::Uuid;

use crate::config::ZoneName;

/// A note over what every zone held before one went missing.
///
/// Nobody can take it for a checkpoint: its first line is not the log's origin, the name of the key
/// is not either (so that the key's id, which is derived from both, is another), and a fourth line,
/// which checkpoints have not, says which zones were missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::audit) struct DegradedNote {
    pub(in crate::audit) tenant: Uuid,
    pub(in crate::audit) size: i64,
    /// The zones' names, sorted.
    pub(in crate::audit) missing: Vec<String>,
    pub(in crate::audit) note: String,
}

impl DegradedNote {
    pub(in crate::audit) const STORE: &str = "insert into app.audit_degraded_checkpoints \
         (tenant_id, size, missing, note, signed_at) values ($1, $2, $3, $4, $5) \
         on conflict (tenant_id, size, missing) do nothing";

    /// It is stored here at once: the zone that a commit would wait for is what is missing.
    pub(in crate::audit) const LOCALLY: &str =
        "select pg_catalog.set_config('synchronous_commit', 'local', true)";

    /// Signs the first `size` entries of a log.
    pub(in crate::audit) fn sign(
        signer: &Ed25519Signer,
        tenant: Uuid,
        origin: &Origin,
        (size, root): (u64, Hash),
        missing: &[ZoneName],
    ) -> Result<Self, NoteError> {
        let mut missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        missing.sort_unstable();
        let name = format!("{origin}/degraded");
        let text = format!("{name}\n{size}\n{root}\nmissing {}\n", missing.join(" "));
        let note = Note::sign(&text, &signer.with_name(&name)?)?;
        Ok(Self {
            tenant,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            missing,
            note: note.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use strongroom_auditchain::Checkpoint;

    use super::*;

    #[test]
    fn a_verifier_takes_it_for_no_checkpoint() {
        let origin: Origin = "log.example/log/00".parse().unwrap();
        let signer = Ed25519Signer::from_seed(origin.as_str(), &[7; 32]).unwrap();
        let missing = ["z3", "z2"].map(|name| name.parse().unwrap());
        let what = (3, Hash::from_bytes([5; 32]));
        let signed = DegradedNote::sign(&signer, Uuid::nil(), &origin, what, &missing).unwrap();
        assert_eq!(
            (signed.size, signed.missing.join(" ").as_str()),
            (3, "z2 z3")
        );

        let named = signer.with_name("log.example/log/00/degraded").unwrap();
        assert!(Checkpoint::verify(&signed.note, signer.verifier_key(), &origin).is_err());
        assert!(Checkpoint::verify(&signed.note, named.verifier_key(), &origin).is_err());
        let own: Origin = "log.example/log/00/degraded".parse().unwrap();
        assert!(Checkpoint::verify(&signed.note, named.verifier_key(), &own).is_err());
        // With the right name it verifies as a note, and says what it is.
        let note: Note = signed.note.parse().unwrap();
        let keys = [named.verifier_key().clone()];
        let text = note.verify(&keys).unwrap().text().to_owned();
        assert!(
            text.starts_with("log.example/log/00/degraded\n3\n"),
            "{text}"
        );
        assert!(text.ends_with("\nmissing z2 z3\n"), "{text}");
        assert!(note.verify(&[signer.verifier_key().clone()]).is_err());
    }
}
