//! Tokens: logins, the access tokens that they and API keys give, what renews them, and what ends
//! them at once on every node.

mod acceptance;
mod families;
mod login;
mod proof;
mod revocation;
mod standing;

pub use acceptance::{Refusal, accept};
pub use families::Families;
pub use login::{Login, access_token, begin_session, epoch, renewed};
pub use proof::Proof;
pub use revocation::{Ended, end, end_actors};
pub use standing::{KeyBounds, hold_credentials, require_standing};
