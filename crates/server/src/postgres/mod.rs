//! PostgreSQL, the platform's store: the private cluster, the pool, and the three handles that
//! alone make queries ([`TenantTx`], [`AuthLookup`], [`JobTx`]).

mod auth_lookup;
mod binaries;
mod cluster;
mod endpoint;
mod job_tx;
mod migrations;
mod pool;
mod roles;
mod row;
mod self_check;
mod session;
mod tenant_tx;
mod three_zones;
mod together;
mod token_lookup;
mod transaction;
mod zone_views;

pub use auth_lookup::{AuthLookup, key_record};
pub use binaries::{Binaries, BinariesError};
pub use cluster::{
    Cluster, ClusterError, ClusterSpec, Following, IdentLine, REPLICATOR, SystemUser,
};
pub use endpoint::{Endpoint, EndpointError};
pub(crate) use job_tx::InZones;
pub use job_tx::{Job, JobTx};
pub use migrations::{MigrationError, Owner};
pub use pool::Pool;
pub use roles::Role;
pub(crate) use row::{column, integer};
pub use self_check::{SelfCheckError, self_check, zones_check};
pub use tenant_tx::{Access, Gateway, TenantTx};
pub use three_zones::{ThreeZones, ZonesError};
pub use token_lookup::StoredFamily;
pub(crate) use token_lookup::{actor, actors};
pub use transaction::{CommitError, QueryError};
pub(crate) use transaction::{FailedCommit, FailedQuery, Params};
#[cfg(test)]
pub(crate) use zone_views::Walsender;
pub(crate) use zone_views::{Position, PrimaryView, StandbyView, ZONE, ZONES};
