//! Freezing a selection with its dry run, and looking at it again.

use serde_json::Value;
use tidewatch_domain::control::forecast;
use tidewatch_domain::drain::{Dependants, DrainAction, DrainOrder, SET_MS, Selection, needs_approval};
use tidewatch_domain::fleet::{DrainPreview, SampleEntry};
use tidewatch_domain::ids::ClientId;
use tidewatch_domain::role::Action;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::drain::{NewSet, SetRow};
use tidewatch_store::telemetry::MemberNames;

use super::gather::{Gathered, Gathering};
use super::number::set_number;
use super::order_check;
use super::selection::{STRETCH, selection_read, selection_write};
use super::summary::{Summary, action_of, skip_reason};
use crate::error::Cause;
use crate::{Cx, Error, Result, Service};

/// Characters of a hash that people see and forms send.
const HASH_CHARS: usize = 16;

/// The part of a hash that is shown and compared.
pub(super) fn hash_shown(hash: &str) -> &str {
    hash.get(..HASH_CHARS).unwrap_or(hash)
}

impl Service {
    /// Freezes a selection and says what a drain of it would do. Nothing is done yet. Of the sets that the same person has not submitted the
    /// oldest is dropped when they are more than [`tidewatch_domain::drain::SETS_OPEN_MAX`].
    ///
    /// # Errors
    /// Forbidden; role limit for more than the role may drain in one go; invalid with field `dependants`, `patch`, `filter`, `entries` or `selection` (nothing matches, or too much does, or a
    /// search in payloads has not seen all that may match).
    pub async fn drain_preview(&self, cx: &Cx, order: DrainOrder, selection: Selection) -> Result<DrainPreview> {
        cx.require(Action::Drain)?;
        order_check(&order)?;
        // One at a time: a set of two hundred thousand takes tens of megabytes while it is gathered.
        let _turn = self.freezing.lock().await;
        let mut names = MemberNames::default();
        let selected = self.selected(cx, &selection, &mut names).await?;
        let mut gathering = self.gathered(cx, selected, &order, &mut names).await?;
        if gathering.members.is_empty() {
            return Err(Error::Invalid { field: "selection", detail: "means no entry that is there now".to_owned() });
        }
        let mut summary = Summary::of(&order, &gathering);
        summary.asleep_day_percent = self.day_percent(cx, &order, &gathering).await?;
        self.verdicts_add(cx, &order, &gathering, &mut summary).await?;
        let set = NewSet {
            action: order.action.as_str(),
            dependants: order.dependants.as_str(),
            patch: order.patch.as_ref().map(Value::to_string),
            selection: selection_write(&selection).to_string(),
            idempotency_key: random_key()?,
            created_by: cx.actor.audit_name(),
            created: cx.now,
            expires: cx.now.plus(SET_MS),
        };
        let let_go = std::mem::take(&mut gathering.let_go);
        let (rows, hash, devices) = (gathering.rows(), gathering.hash(), gathering.devices());
        let id = self.store.sync().set_put(set, rows, let_go, hash, devices, summary.write().to_string()).await?;
        drop(gathering);
        let row = self.store.sync().set_view(id).await?.ok_or(Error::NotFound("set"))?;
        self.preview(cx, row).await
    }

    /// A frozen set, with what is new in its list since.
    ///
    /// # Errors
    /// Not found: there is no such set, or its time was over before it was submitted.
    pub async fn drain_preview_view(&self, cx: &Cx, set: &str) -> Result<DrainPreview> {
        cx.require(Action::Look)?;
        let row = self.set_row(cx, set).await?;
        self.preview(cx, row).await
    }

    /// A set that can still be submitted, or was.
    pub(super) async fn set_row(&self, cx: &Cx, set: &str) -> Result<SetRow> {
        let row = self.store.sync().set_view(set_number(set)?).await?;
        row.filter(|row| row.job.is_some() || row.expires_ms >= cx.now.0).ok_or(Error::NotFound("set"))
    }

    async fn preview(&self, cx: &Cx, row: SetRow) -> Result<DrainPreview> {
        let summary = Summary::read(&row.summary);
        let corrupt = || Error::Internal(Cause("a frozen set cannot be read".into()));
        let selection = selection_read(&row.selection).ok_or_else(corrupt)?;
        let (entries, devices) = (row.entries.cast_unsigned(), row.devices.cast_unsigned());
        let action = DrainAction::parse(&row.action).ok_or_else(corrupt)?;
        let newer = self.newer(cx, row.id, &selection, Millis(row.created_ms)).await?;
        Ok(DrainPreview {
            set: format!("S{}", row.id),
            hash: hash_shown(&row.hash).to_owned(),
            action,
            dependants: Dependants::parse(&row.dependants).ok_or_else(corrupt)?,
            patch: row.patch.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            selection,
            frozen: Millis(row.created_ms),
            expires: Millis(row.expires_ms),
            entries,
            devices,
            here: summary.here,
            awake: summary.awake,
            awake_devices: summary.awake_devices,
            asleep: summary.asleep,
            asleep_devices: summary.asleep_devices,
            asleep_day_percent: summary.asleep_day_percent,
            sample: self.sample(&summary).await?,
            skipped: summary.skipped,
            behind: summary.behind,
            behind_refused: summary.behind_refused,
            held: summary.held,
            together: summary.together,
            apart: summary.apart,
            verdicts: summary.verdicts,
            decided: summary.decided,
            decided_devices: summary.decided_devices,
            decided_signatures: summary.decided_signatures,
            by_device: summary.by_device,
            by_signature: summary.by_signature,
            by_collection: summary.by_collection,
            newer,
            needs_approval: needs_approval(entries, devices),
            approvers: if needs_approval(entries, devices) && row.job.is_none() {
                self.approvers(&cx.actor.audit_name()).await?
            } else {
                Vec::new()
            },
            undo_until: self.undo_until(action, cx.now),
            purge_from: self.purge_from(action, cx.now),
            idempotency_key: row.idempotency_key,
            job: row.job.map(|job| format!("J{job}")),
        })
    }

    /// Share of the sleeping devices that is expected within a day; none when there is no rhythm to tell from.
    async fn day_percent(&self, cx: &Cx, order: &DrainOrder, gathering: &Gathering) -> Result<Option<u8>> {
        let of_device = gathering.members.chunk_by(|one, next| one.client == next.client);
        let goes = |g: &Gathered| g.look.letter.is_none() && skip_reason(action_of(order, g.behind), g).is_none();
        let told = of_device.filter(|of| of[0].member.device.asleep && of.iter().any(goes));
        let sleeping: Vec<ClientId> = told.map(|of| of[0].member.device.client_id.clone()).collect();
        let mut rhythms = Vec::with_capacity(sleeping.len());
        for some in sleeping.chunks(STRETCH as usize) {
            rhythms.extend(self.store.telemetry().devices_look(some).await?.into_values().map(|look| look.rhythm));
        }
        let shares = forecast(&rhythms, cx.now).shares;
        Ok(shares.into_iter().find(|(hours, _)| *hours == 24).map(|(_, percent)| percent))
    }

    /// The sample as it is now; what is gone from the mirror is left out.
    async fn sample(&self, summary: &Summary) -> Result<Vec<SampleEntry>> {
        let (telemetry, sync) = (self.store.telemetry(), self.store.sync());
        let mut sample = Vec::new();
        for (client_id, operation) in summary.sample_ids() {
            let known = match sync.key_of(&client_id) {
                Some(client) => sync.members_look(&[(client, &operation)]).await?.pop().and_then(|look| look.letter).is_some(),
                None => false,
            };
            match telemetry.outbox_entry(&client_id, &operation).await {
                Ok(view) => sample.push(SampleEntry { row: view.row, payload_known: known }),
                Err(tidewatch_store::Error::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.failures_redact(sample.iter_mut().map(|sample| &mut sample.row.entry)).await?;
        Ok(sample)
    }
}

fn random_key() -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(Cause(Box::new(error))))?;
    Ok(hex::encode(bytes))
}
