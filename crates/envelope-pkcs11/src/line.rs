//! One thread's line to the token: a session, opened when it is needed.

use cryptoki::session::Session;
use strongroom_envelope::KmsError;

use crate::failure::{self, Failure};
use crate::token::{Access, Token};

/// A session that is opened anew when it was lost.
pub(crate) struct Line {
    token: Token,
    access: Access,
    session: Option<Session>,
}

impl Line {
    pub(crate) const fn new(token: Token, access: Access) -> Self {
        Self {
            token,
            access,
            session: None,
        }
    }

    /// Works on the session; once more on a new one, if the work cannot have been done on the old.
    pub(crate) fn run<T>(
        &mut self,
        work: &dyn Fn(&Session) -> Result<T, Failure>,
    ) -> Result<T, KmsError> {
        match self.attempt(work) {
            Err(failure)
                if matches!(
                    failure.session(),
                    failure::Session::Unfit | failure::Session::Gone
                ) =>
            {
                self.attempt(work).map_err(|failure| failure.kms())
            }
            result => result.map_err(|failure| failure.kms()),
        }
    }

    fn attempt<T>(&mut self, work: &dyn Fn(&Session) -> Result<T, Failure>) -> Result<T, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.token.open_session(self.access)?,
        };
        let result = work(&session);
        match result.as_ref().err().map(Failure::session) {
            None | Some(failure::Session::Kept) => self.session = Some(session),
            Some(failure::Session::Lost | failure::Session::Unfit) => drop(session.close()),
            Some(failure::Session::Gone) => {}
        }
        result
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            drop(session.close());
        }
    }
}
