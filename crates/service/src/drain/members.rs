//! The members of a frozen set, one by one: for whoever is about to submit it, and for the second person who is to agree.

use std::collections::HashMap;

use tidewatch_domain::drain::{Dependants, DrainAction, DrainOrder};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::fleet::{DrainMemberRow, MemberPart};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::page::{PAGE_ROWS_MAX, Page, Position, Total};
use tidewatch_domain::role::Action;
use tidewatch_store::sync::drain::{MemberRow, SetRow};
use tidewatch_store::telemetry::{Member, MemberNames};

use super::summary::action_of;
use crate::{Cx, Error, Result, Service};

impl Service {
    /// Members of a frozen set in the order in which they are drained, each as it stands now.
    ///
    /// # Errors
    /// Not found: there is no such set, or its time was over before it was submitted; invalid with field `after` or `before` for a
    /// position of another list; state conflict when they have rolled to a file.
    pub async fn drain_preview_items(&self, cx: &Cx, set: &str, position: &Position, rows: u32) -> Result<Page<DrainMemberRow>> {
        cx.require(Action::Look)?;
        let set = self.set_row(cx, set).await?;
        self.rolled_set_refuse(set.job).await?;
        let found = self.store.sync().members_page(set.id, position, rows.clamp(1, PAGE_ROWS_MAX)).await;
        let (members, next, previous) = found.map_err(|error| crate::fleet::position_error(position, error))?;
        Ok(Page {
            rows: self.member_rows(&set, members).await?,
            next: next.map(|n| n.to_string()),
            previous: previous.map(|n| n.to_string()),
            total: Total::Exact(set.entries.cast_unsigned()),
        })
    }

    async fn member_rows(&self, set: &SetRow, members: Vec<MemberRow>) -> Result<Vec<DrainMemberRow>> {
        let order = DrainOrder {
            action: DrainAction::parse(&set.action).ok_or(Error::NotFound("set"))?,
            dependants: Dependants::parse(&set.dependants).ok_or(Error::NotFound("set"))?,
            patch: None,
        };
        let named = |row: MemberRow| Some((self.store.sync().client_id_of(ClientKey(row.client))?, row));
        let members: Vec<(ClientId, MemberRow)> = members.into_iter().filter_map(named).collect();
        let (ids, entries): (Vec<ClientId>, Vec<(ClientId, String)>) =
            members.iter().map(|(id, row)| (id.clone(), (id.clone(), row.operation_id.clone()))).unzip();
        let names = self.store.telemetry().device_names(&ids).await?;
        let listed = self.store.telemetry().outbox_members_of(&entries, &mut MemberNames::default()).await?;
        let listed: HashMap<(&ClientId, &str), &Member> =
            listed.iter().map(|member| ((&member.device.client_id, &*member.operation_id), member)).collect();
        let line = |(client_id, row): &(ClientId, MemberRow)| {
            let member = listed.get(&(client_id, row.operation_id.as_str()));
            member_row(&order, client_id, row, member.copied(), names.get(client_id).cloned().unwrap_or_default())
        };
        Ok(members.iter().map(line).collect())
    }
}

fn member_row(
    order: &DrainOrder,
    client_id: &ClientId,
    row: &MemberRow,
    listed: Option<&Member>,
    device_name: String,
) -> DrainMemberRow {
    let here = row.collection.clone().zip(row.record_id.clone());
    let part = match (row.behind, row.along) {
        (true, _) => MemberPart::Behind,
        (false, true) => MemberPart::Together,
        (false, false) => MemberPart::Selected,
    };
    DrainMemberRow {
        client_id: client_id.clone(),
        device_name,
        operation_id: row.operation_id.clone(),
        record: listed.map(|member| (member.collection.to_string(), member.record_id.to_string())).or(here),
        state: listed.map(|member| member.state),
        part,
        // A correction is for what was selected; the rest of its group goes as it is.
        action: match action_of(order, row.behind) {
            DrainAction::Patch if row.along => DrainAction::Retry,
            action => action,
        },
        payload_known: row.payload_known,
    }
}
