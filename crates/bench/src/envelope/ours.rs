//! What is measured of `strongroom-envelope`: the one place that knows its functions.

use std::error::Error;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use strongroom_envelope::stream::SealBuffer;
use strongroom_envelope::{
    DataKey, EncryptionContext, KekRecord, KeyAdmin, KeyRef, LocalKms, Plaintext, Recipient,
    TenantKeys, open, rewrap, seal,
};
use strongroom_tenancy::TenantId;
use tempfile::TempDir;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

/// Bytes that are handed to the stream at a time.
const PIECE: usize = 64 * 1024;

/// A tenant with a KEK in memory, as `strongroom-server` has it, and a data key at hand.
pub struct Ours {
    keys: TenantKeys,
    name: KeyRef,
    tenant: TenantId,
    context: EncryptionContext,
    key: DataKey,
}

/// A plaintext where it will be encrypted.
pub struct Buffer(SealBuffer);

impl Ours {
    /// Makes a keyring in a folder that goes when this is done, and a KEK under its key.
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let keyring = TempDir::new()?;
        let kms = LocalKms::create(keyring.path())?;
        let tenant: TenantId = "0190b2a4-8c7e-7d3a-9f00-0242ac120002".parse()?;
        let (root, name): (KeyRef, KeyRef) = ("root".parse()?, "tenant".parse()?);
        let context = EncryptionContext::new([("purpose", "message"), ("row", "1000042")])?;
        now(kms.create(&tenant, &root)).ok_or("the keyring did not answer at once")??;
        let root = Recipient::new(&kms, &root);
        let record = KekRecord::generate(root, &tenant, &name, 1, 0);
        let record = now(record).ok_or("no KEK at once")??;
        let records = [record];
        let keys = TenantKeys::load(root, &tenant, &records);
        let keys = now(keys).ok_or("no KEK at once")??;
        let recipients = [Recipient::new(&keys, &name)];
        let key = now(DataKey::generate(&recipients, &tenant)).ok_or("no data key at once")??;
        Ok(Self {
            keys,
            name,
            tenant,
            context,
            key,
        })
    }

    fn recipients(&self) -> [Recipient<'_>; 1] {
        [Recipient::new(&self.keys, &self.name)]
    }

    /// Seals a record under the data key at hand.
    pub fn seal_cached(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        self.key.seal(&self.tenant, &self.context, plaintext).ok()
    }

    /// Seals a record under a DEK of its own, wrapped by the tenant's KEK.
    pub fn seal_fresh(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        let recipients = self.recipients();
        now(seal(&recipients, &self.tenant, &self.context, plaintext))?.ok()
    }

    /// Opens a record whose data key is at hand.
    pub fn open_cached(&self, sealed: &[u8]) -> Option<Plaintext> {
        self.key.open(&self.tenant, &self.context, sealed).ok()
    }

    /// Opens a record whose DEK must be unwrapped.
    pub fn open_fresh(&self, sealed: &[u8]) -> Option<Plaintext> {
        let recipients = self.recipients();
        now(open(&recipients, &self.tenant, &self.context, sealed))?.ok()
    }

    /// Seals a megabyte.
    pub fn seal_1mib(&self, plaintext: &[u8]) -> Option<Vec<u8>> {
        self.seal_cached(plaintext)
    }

    /// Opens what [`seal_1mib`](Self::seal_1mib) sealed.
    pub fn open_1mib(&self, sealed: &[u8]) -> Option<Plaintext> {
        self.open_cached(sealed)
    }

    /// Puts a plaintext where it will be encrypted.
    pub fn buffer(&self, plaintext: &[u8]) -> Option<Buffer> {
        let mut buffer = self.key.seal_buffer(plaintext.len()).ok()?;
        buffer.write_all(plaintext).ok()?;
        Some(Buffer(buffer))
    }

    /// Seals a buffer.
    pub fn seal_in_place(&self, buffer: Buffer) -> Option<Vec<u8>> {
        self.key
            .seal_filled(&self.tenant, &self.context, ONE, buffer.0)
            .ok()
    }

    /// Seals all that a reader gives, on one core, with bounded memory.
    pub fn stream_seal(&self, mut from: impl Read, to: impl Write) -> Option<()> {
        let writer = self.key.seal_writer(&self.tenant, &self.context, ONE, to);
        let mut writer = writer.ok()?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = from.read(&mut piece).ok()?;
            if length == 0 {
                return writer.finish().ok().map(drop);
            }
            writer.write_all(piece.get(..length)?).ok()?;
        }
    }

    /// Wraps a record's DEK anew, in the record.
    pub fn rewrap(&self, sealed: &mut Vec<u8>) -> Option<usize> {
        let recipients = self.recipients();
        now(rewrap(&recipients, &self.tenant, sealed))?.ok()
    }
}

/// What a future gives that waits for nothing, as the local keyring's do.
fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::long::{LongPlaintext, Nowhere};

    #[test]
    fn all_that_is_measured_is_done() {
        let ours = Ours::new().unwrap();
        let text = vec![b'a'; 1 << 20];
        let short = &text[..1000];

        let sealed = ours.seal_cached(short).unwrap();
        assert_eq!(ours.open_cached(&sealed).unwrap()[..], *short);
        let sealed = ours.seal_fresh(short).unwrap();
        assert_eq!(ours.open_fresh(&sealed).unwrap()[..], *short);
        assert!(ours.open_cached(&sealed).is_none(), "the DEK is its own");
        let mut again = sealed.clone();
        assert_eq!(ours.rewrap(&mut again), Some(1));
        assert_ne!(again, sealed);
        assert_eq!(ours.open_fresh(&again).unwrap()[..], *short);

        let mut sealed = ours.seal_1mib(&text).unwrap();
        assert_eq!(ours.open_1mib(&sealed).unwrap()[..], text[..]);
        assert_eq!(ours.rewrap(&mut sealed), Some(1));
        let sealed = ours.seal_in_place(ours.buffer(&text).unwrap()).unwrap();
        assert_eq!(ours.open_1mib(&sealed).unwrap()[..], text[..]);

        let mut sealed = Vec::new();
        ours.stream_seal(LongPlaintext::new(200_000), &mut sealed)
            .unwrap();
        assert!(sealed.len() > 200_000);
        assert!(
            ours.stream_seal(LongPlaintext::new(200_000), Nowhere)
                .is_some()
        );
    }
}
