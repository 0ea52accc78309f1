//! The list of a tenant's keys, in pages.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use strongroom_apikey::KeyId;
use strongroom_tenancy::CapabilitySet;
use tokio_postgres::Row;

use super::super::{column, internal, seconds};
use super::refuse;
use crate::app::App;
use crate::gates::TenantContext;
use crate::postgres::Access;
use crate::problem::Problem;

/// Which keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// How many, 1 to 1000; 100 when absent.
    limit: Option<String>,
    /// The last key of the page before, by its id.
    after: Option<String>,
    /// Those that this key issued; all when absent.
    issued_by: Option<String>,
    /// `accepted`, `revoked`, or `over` for expired and replaced ones; all when absent.
    state: Option<String>,
}

/// Lists a page of the tenant's keys, without their hashes, the newest first. `next` is what the
/// following page comes `after`.
///
/// # Errors
/// `invalid-field`; `after` must be a key of the tenant's.
pub async fn list(
    State(app): State<Arc<App>>,
    tenant: TenantContext,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    // What a page comes after neither moves nor goes, whatever becomes of the key.
    const LIST: &str = "with keys as (select *, case when revoked_at is not null then 'revoked' \
         when expires_at <= $1 or retires_at <= $1 then 'over' else 'accepted' end as state \
         from app.api_keys) \
         select id, environment, actor, capabilities, issued_at, expires_at, revoked_at, \
         issued_by, networks, successor, retires_at, last_used_at, state from keys \
         where ($2::text is null or state = $2) and ($3::text is null or issued_by = $3) \
         and ($4::text is null or issued_at < $5 or issued_at = $5 and id > $4) \
         order by issued_at desc, id limit $6";
    const AFTER: &str = "select issued_at from app.api_keys where id = $1";
    let Asked {
        limit,
        after,
        issued_by,
        state,
    } = page.read()?;
    let mut tx = tenant.begin(Access::Read).await?;
    let mut issued_at = 0_i64;
    if let Some(after) = &after {
        let rows = tx.query(AFTER, &[&after.as_str()]).await?;
        let Some(row) = rows.first() else {
            tx.rollback().await;
            return Err(refuse("after", "expected the id of a key"));
        };
        issued_at = column(row, 0)?;
    }
    let now = seconds(app.clock.unix_seconds());
    let issuer = issued_by.as_ref().map(KeyId::as_str);
    let after = after.as_ref().map(KeyId::as_str);
    let more = i64::from(limit).saturating_add(1);
    let rows = tx
        .query(LIST, &[&now, &state, &issuer, &after, &issued_at, &more])
        .await?;
    tx.rollback().await;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows.iter().take(limit.into()) {
        keys.push(listed(row)?);
    }
    let next = if rows.len() > keys.len() {
        keys.last().map(|key| key["id"].clone())
    } else {
        None
    };
    Ok(axum::Json(json!({ "data": keys, "next": next })).into_response())
}

/// A page as it is asked for, once it was read.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    limit: u16,
    after: Option<KeyId>,
    issued_by: Option<KeyId>,
    state: Option<&'static str>,
}

impl Page {
    fn read(&self) -> Result<Asked, Problem> {
        let limit = self.limit.as_deref().map_or(Ok(100), str::parse);
        let limit = limit.ok().filter(|limit| (1..=1000).contains(limit));
        let id = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
        let states = ["accepted", "over", "revoked"];
        let state = self.state.as_ref().map(|asked| {
            let known = states.into_iter().find(|known| known == asked);
            known.ok_or_else(|| refuse("state", "expected accepted, over or revoked"))
        });
        Ok(Asked {
            limit: limit.ok_or_else(|| refuse("limit", "expected 1 to 1000"))?,
            after: id(&self.after).map_err(|_| refuse("after", "expected the id of a key"))?,
            issued_by: id(&self.issued_by)
                .map_err(|_| refuse("issued_by", "expected the id of a key"))?,
            state: state.transpose()?,
        })
    }
}

fn listed(row: &Row) -> Result<Value, Problem> {
    let capabilities: String = column(row, 3)?;
    Ok(json!({
        "id": column::<String>(row, 0)?,
        "environment": column::<String>(row, 1)?,
        "actor": column::<String>(row, 2)?,
        "capabilities": capabilities.parse::<CapabilitySet>().map_err(internal)?,
        "issued_at": column::<i64>(row, 4)?,
        "expires_at": column::<Option<i64>>(row, 5)?,
        "revoked_at": column::<Option<i64>>(row, 6)?,
        "issued_by": column::<Option<String>>(row, 7)?,
        "networks": column::<Option<String>>(row, 8)?
            .map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>()),
        "successor": column::<Option<String>>(row, 9)?,
        "retires_at": column::<Option<i64>>(row, 10)?,
        "last_used_at": column::<Option<i64>>(row, 11)?,
        "state": column::<String>(row, 12)?,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::problem::Kind;

    fn page(fields: [Option<&str>; 4]) -> Page {
        let [limit, after, issued_by, state] = fields.map(|text| text.map(str::to_owned));
        Page {
            limit,
            after,
            issued_by,
            state,
        }
    }

    #[test]
    fn pages_that_are_refused() {
        for (place, field, texts) in [
            (
                0,
                "limit",
                &["0", "1001", "-1", "", "ten", "1.0", "65536", " 1"][..],
            ),
            (
                1,
                "after",
                &[
                    "",
                    "short",
                    "thirteenChars",
                    "with-a-dash1",
                    "EXAMPLEKEY0\u{e9}",
                ],
            ),
            (2, "issued_by", &["", "EXAMPLEKEY0 ", "'or'1'='1'--"]),
            (3, "state", &["", "Accepted", "live", "revoked "]),
        ] {
            for text in texts {
                let mut fields = [None; 4];
                fields[place] = Some(*text);
                let problem = page(fields).read().unwrap_err();
                assert_eq!(problem.kind(), Kind::InvalidField, "{field}={text}");
                assert_eq!(problem.param(), Some(field), "{text}");
            }
        }
    }

    #[test]
    fn a_page_is_all_keys_a_hundred_at_a_time_when_nothing_is_said() {
        let asked = page([None; 4]).read().unwrap();
        let (limit, after, issued_by, state) = (100, None, None, None);
        let all = Asked {
            limit,
            after,
            issued_by,
            state,
        };
        assert_eq!(asked, all);
    }

    proptest! {
        #[test]
        fn what_is_read_is_within_its_bounds(
            limit in proptest::option::of("[0-9]{0,5}|.{0,4}"),
            after in proptest::option::of("[0-9A-Za-z]{11,13}|.{0,12}"),
            state in proptest::option::of("accepted|over|.{0,8}"),
        ) {
            let texts = [limit.as_deref(), after.as_deref(), None, state.as_deref()];
            if let Ok(asked) = page(texts).read() {
                prop_assert!((1..=1000).contains(&asked.limit));
                prop_assert_eq!(asked.after.as_ref().map(KeyId::as_str), after.as_deref());
                prop_assert_eq!(asked.state, state.as_deref());
            }
        }
    }
}
