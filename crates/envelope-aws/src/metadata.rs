//! What AWS KMS says of a key.

use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState as AwsState, KeyUsageType};
use strongroom_envelope::{KeyState, KmsError};

use crate::failure::classify;
use crate::key_id::KeyArn;

/// Looks a key up; one that cannot wrap by its nature is not found.
pub(crate) async fn find(client: &Client, key_id: &str) -> Result<KeyMetadata, KmsError> {
    let request = client.describe_key().key_id(key_id);
    let answer = request.send().await.map_err(classify)?;
    let metadata = answer.key_metadata.ok_or(KmsError::Unavailable)?;
    if !answers(key_id, metadata.arn()) {
        return Err(KmsError::Unavailable);
    }
    let encrypts = metadata.key_usage() == Some(&KeyUsageType::EncryptDecrypt);
    if !encrypts || metadata.key_spec() != Some(&KeySpec::SymmetricDefault) {
        return Err(KmsError::NotFound);
    }
    Ok(metadata)
}

/// The state of a key that was found.
pub(crate) fn state(metadata: &KeyMetadata) -> Result<KeyState, KmsError> {
    match metadata.key_state() {
        // `Updating` is a multi-Region key that is getting another primary; it wraps meanwhile.
        Some(AwsState::Enabled | AwsState::Updating) => Ok(KeyState::Enabled),
        Some(AwsState::Disabled | AwsState::PendingImport) => Ok(KeyState::Disabled),
        Some(AwsState::PendingDeletion | AwsState::PendingReplicaDeletion) => {
            Ok(KeyState::PendingDestruction)
        }
        _ => Err(KmsError::Unavailable),
    }
}

/// Whether the key that an answer names can be the one that was asked for: the same ARN, or, for an
/// alias, the ARN of some key.
pub(crate) fn answers(asked: &str, answered: Option<&str>) -> bool {
    match answered {
        Some(arn) if KeyArn::check(asked) => arn == asked,
        Some(arn) => KeyArn::check(arn),
        None => false,
    }
}
