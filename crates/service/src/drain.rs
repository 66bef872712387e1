//! Draining: taking entries of outboxes out of the way. A selection is frozen with a dry run, submitted as a job, worked off in chunks,
//! and can be taken back. The store does each step in one transaction; here is who may ask for it, and what a selection is.

mod canary;
mod dry_run;
mod gather;
mod members;
mod newer;
mod number;
mod preview;
mod purge;
mod roll;
mod selection;
mod step;
mod submit;
mod summary;
mod together;
mod view;

pub(crate) use self::newer::Counts;
pub use self::purge::PurgeReport;
pub(crate) use self::step::Budgets;
pub use self::step::{IntentReader, Pace};
pub use self::submit::{DrainSubmit, Submitted};
use tidewatch_domain::control::PATCH_BYTES_MAX;
use tidewatch_domain::drain::{DrainAction, DrainOrder};
use tidewatch_domain::sync::PATCH_OPS_MAX;

use crate::{Error, Result};

/// Refuses an order that says nothing or too much.
fn order_check(order: &DrainOrder) -> Result<()> {
    if !order.dependants.goes_with(order.action) {
        let detail = "`cut` does not go with `hold`: a device sends nothing past an entry that it holds";
        return Err(Error::Invalid { field: "dependants", detail: detail.to_owned() });
    }
    let invalid = |detail: &str| Err(Error::Invalid { field: "patch", detail: detail.to_owned() });
    match (&order.patch, order.action) {
        (None, DrainAction::Patch) => invalid("is required: the operations of RFC 6902 that correct the fields"),
        (Some(_), action) if action != DrainAction::Patch => invalid("only goes with the action `patch`"),
        (Some(patch), _) => match patch.as_array() {
            None => invalid("must be a list of operations of RFC 6902"),
            Some(operations) if operations.is_empty() => invalid("must hold an operation at least"),
            Some(operations) if operations.len() > PATCH_OPS_MAX => invalid("must hold 256 operations at most"),
            // Its devices take no more.
            Some(_) if patch.to_string().len() > PATCH_BYTES_MAX => invalid("must have 64 KiB at most"),
            Some(_) => Ok(()),
        },
        (None, _) => Ok(()),
    }
}
