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

    /// Works on the session; once more on a new one, if the work was not done on the old or can be
    /// done twice.
    pub(crate) fn run<T>(
        &mut self,
        work: &dyn Fn(&Session) -> Result<T, Failure>,
    ) -> Result<T, KmsError> {
        let result = match self.attempt(work) {
            Err(failure) if self.may_repeat(&failure) => self.attempt(work),
            result => result,
        };
        result.map_err(|failure| failure.kms())
    }

    /// What only reads can be done twice.
    fn may_repeat(&self, failure: &Failure) -> bool {
        match failure.session() {
            failure::Session::Kept => false,
            failure::Session::Unfit | failure::Session::Gone => true,
            failure::Session::Lost => {
                self.access == Access::ReadOnly && failure.kms() == KmsError::Unavailable
            }
        }
    }

    fn attempt<T>(&mut self, work: &dyn Fn(&Session) -> Result<T, Failure>) -> Result<T, Failure> {
        let _turn = self.token.turn(self.access);
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
