//! Roles: the four of the permission matrix, each a fixed set of capabilities.

use std::fmt;
use std::str::FromStr;

use crate::{Capability, CapabilitySet};

/// A user's role within a tenant; `Owner` holds all that `Admin` holds, and so on down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees, edits agents and teams, prompts models.
    Member,
    /// Runs the tenant day by day.
    Admin,
    /// May do all that a tenant can.
    Owner,
}

/// The text is not `owner`, `admin`, `member` or `viewer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("role: expected owner, admin, member or viewer")]
pub struct RoleError;

const VIEWER: &[Capability] = &[Capability::ResourcesView];
const MEMBER: &[Capability] = &[
    Capability::ResourcesView,
    Capability::AgentsEdit,
    Capability::TeamsManage,
    Capability::ChatCreate,
];
const ADMIN: &[Capability] = &[
    Capability::ResourcesView,
    Capability::AgentsEdit,
    Capability::TeamsManage,
    Capability::ChatCreate,
    Capability::UsersManage,
    Capability::ProvidersManage,
    Capability::AuditRead,
    Capability::AuditOperate,
    Capability::WebhooksManage,
    Capability::PolicyManage,
    Capability::TokensRevoke,
];
const OWNER: &[Capability] = &[
    Capability::ResourcesView,
    Capability::AgentsEdit,
    Capability::TeamsManage,
    Capability::ChatCreate,
    Capability::UsersManage,
    Capability::ProvidersManage,
    Capability::AuditRead,
    Capability::AuditOperate,
    Capability::WebhooksManage,
    Capability::PolicyManage,
    Capability::ApiKeysManage,
    Capability::BillingView,
    Capability::OrganisationDelete,
    Capability::KeysSeal,
    Capability::KeysOpen,
    Capability::KeysRotate,
    Capability::KeysShred,
    Capability::TokensRevoke,
    Capability::IdentityManage,
    Capability::RetentionManage,
    Capability::SubjectsResolve,
    Capability::UnmaskContact,
    Capability::UnmaskCredential,
    Capability::UnmaskCustom,
    Capability::UnmaskFinance,
    Capability::UnmaskGov,
    Capability::UnmaskHealth,
    Capability::UnmaskLocation,
    Capability::UnmaskNet,
    Capability::UnmaskPerson,
    Capability::UnmaskVehicle,
];

impl Role {
    /// Every role, the least privileged first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// What the role may do.
    #[must_use]
    pub const fn capabilities(self) -> CapabilitySet {
        CapabilitySet::of(match self {
            Self::Viewer => VIEWER,
            Self::Member => MEMBER,
            Self::Admin => ADMIN,
            Self::Owner => OWNER,
        })
    }

    /// The role's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(RoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The permission matrix, row by row: owner, admin, member, viewer.
    #[test]
    fn the_permission_matrix_holds_cell_by_cell() {
        use Capability as C;
        let matrix = [
            (C::ResourcesView, [true, true, true, true]),
            (C::AgentsEdit, [true, true, true, false]),
            (C::TeamsManage, [true, true, true, false]),
            (C::UsersManage, [true, true, false, false]),
            (C::ProvidersManage, [true, true, false, false]),
            (C::ApiKeysManage, [true, false, false, false]),
            (C::BillingView, [true, false, false, false]),
            (C::OrganisationDelete, [true, false, false, false]),
            (C::AuditRead, [true, true, false, false]),
            (C::SubjectsResolve, [true, false, false, false]),
        ];
        let columns = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];
        for (capability, row) in matrix {
            for (role, allowed) in columns.into_iter().zip(row) {
                assert_eq!(
                    role.capabilities().contains(capability),
                    allowed,
                    "{role} and {capability}"
                );
            }
        }
    }

    #[test]
    fn each_role_holds_all_that_the_one_below_holds() {
        for pair in Role::ALL.windows(2) {
            assert!(pair[0].capabilities().is_subset_of(&pair[1].capabilities()));
        }
    }

    #[test]
    fn no_tenant_role_has_what_is_the_operators_alone() {
        use Capability as C;
        for role in Role::ALL {
            for operators in [C::TenantsCreate, C::TenantsShred, C::TokenKeysManage] {
                assert!(!role.capabilities().contains(operators), "{role}");
            }
        }
    }
}
