//! How a command ends when it does not succeed.

use std::fmt::Display;
use std::process::ExitCode;

use serde_json::json;

use crate::output::Output;

/// Why a command did not succeed. No message repeats a secret.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was checked does not hold.
    Refused {
        reason: String,
        /// The refusal's stable name, where it has one.
        code: Option<&'static str>,
    },
    /// What was checked does not hold, and the output says so already.
    RefusedAndShown,
    /// Wrong usage, or input that cannot be used.
    Unusable(String),
}

impl Failure {
    pub(crate) fn refused(reason: impl Display) -> Self {
        Self::Refused {
            reason: reason.to_string(),
            code: None,
        }
    }

    pub(crate) fn refused_with(code: &'static str, reason: impl Display) -> Self {
        Self::Refused {
            reason: reason.to_string(),
            code: Some(code),
        }
    }

    pub(crate) fn unusable(reason: impl Display) -> Self {
        Self::Unusable(reason.to_string())
    }

    /// Tells the user, and gives the exit status.
    pub(crate) fn show(self, output: Output) -> ExitCode {
        match self {
            Self::Refused { reason, code } => {
                if output == Output::Json {
                    let mut refusal = json!({"valid": false, "error": reason});
                    if let (Some(code), Some(members)) = (code, refusal.as_object_mut()) {
                        members.insert("code".to_owned(), code.into());
                    }
                    println!("{refusal}");
                } else {
                    eprintln!("refused: {reason}");
                }
                ExitCode::from(1)
            }
            Self::RefusedAndShown => ExitCode::from(1),
            Self::Unusable(reason) => {
                eprintln!("strongroom: {reason}");
                ExitCode::from(2)
            }
        }
    }
}
