//! What a failed call means.

use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use strongroom_envelope::KmsError;

/// Reads the error that AWS KMS answered by its type; whatever has none is unavailability.
pub(crate) fn classify<E: ProvideErrorMetadata>(error: SdkError<E, HttpResponse>) -> KmsError {
    let SdkError::ServiceError(answer) = error else {
        // No connection, no credentials, no answer in time, or none that can be read.
        return KmsError::Unavailable;
    };
    by_type(answer.err().code(), answer.raw().status().as_u16())
}

fn by_type(name: Option<&str>, status: u16) -> KmsError {
    match (name, status) {
        (
            Some(
                "AccessDeniedException"
                | "ExpiredTokenException"
                | "IncompleteSignature"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "MissingAuthenticationToken"
                | "NotAuthorized"
                | "OptInRequired"
                | "UnrecognizedClientException",
            ),
            _,
        ) => KmsError::Denied,
        (Some("NotFoundException" | "InvalidArnException"), _) => KmsError::NotFound,
        (Some("AlreadyExistsException"), _) => KmsError::AlreadyExists,
        (Some("DisabledException" | "KMSInvalidStateException"), _) => KmsError::Disabled,
        (Some("InvalidCiphertextException" | "IncorrectKeyException"), _) => {
            KmsError::ContextMismatch
        }
        (
            Some(
                "ConflictException"
                | "LimitExceededException"
                | "RequestLimitExceeded"
                | "ThrottledException"
                | "Throttling"
                | "ThrottlingException"
                | "TooManyRequestsException",
            ),
            _,
        ) => KmsError::Throttled,
        (
            Some(
                "DependencyTimeoutException"
                | "InternalFailure"
                | "KMSInternalException"
                | "KeyUnavailableException"
                | "RequestTimeout"
                | "ServiceUnavailable",
            ),
            _,
        ) => KmsError::Unavailable,
        (None, 401 | 403) => KmsError::Denied,
        (_, 429) => KmsError::Throttled,
        // A refusal of a type that this crate does not know is as final as one that it does.
        (Some(_), 400..=499) => KmsError::Denied,
        _ => KmsError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_decide_and_then_the_status() {
        for (name, status, expected) in [
            (Some("AccessDeniedException"), 400, KmsError::Denied),
            (Some("ExpiredTokenException"), 400, KmsError::Denied),
            (Some("SomethingNewException"), 400, KmsError::Denied),
            (None, 403, KmsError::Denied),
            (Some("NotFoundException"), 400, KmsError::NotFound),
            (Some("InvalidArnException"), 400, KmsError::NotFound),
            (Some("AlreadyExistsException"), 400, KmsError::AlreadyExists),
            (Some("DisabledException"), 400, KmsError::Disabled),
            (Some("KMSInvalidStateException"), 400, KmsError::Disabled),
            (
                Some("InvalidCiphertextException"),
                400,
                KmsError::ContextMismatch,
            ),
            (
                Some("IncorrectKeyException"),
                400,
                KmsError::ContextMismatch,
            ),
            (Some("ThrottlingException"), 400, KmsError::Throttled),
            (Some("LimitExceededException"), 400, KmsError::Throttled),
            (Some("ConflictException"), 400, KmsError::Throttled),
            (None, 429, KmsError::Throttled),
            (Some("SomethingNewException"), 429, KmsError::Throttled),
            (Some("KMSInternalException"), 500, KmsError::Unavailable),
            (
                Some("DependencyTimeoutException"),
                400,
                KmsError::Unavailable,
            ),
            (Some("KeyUnavailableException"), 400, KmsError::Unavailable),
            (Some("SomethingNewException"), 500, KmsError::Unavailable),
            (None, 200, KmsError::Unavailable),
            (None, 404, KmsError::Unavailable),
            (None, 502, KmsError::Unavailable),
        ] {
            assert_eq!(by_type(name, status), expected, "{name:?} {status}");
        }
    }
}
