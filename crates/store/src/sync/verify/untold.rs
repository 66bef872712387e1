//! What devices have not been told yet fits the book of commands, the items of jobs and the archive, and memory fits it.

use sqlx::SqliteConnection;

use super::VerifyReport;
use crate::Result;
use crate::sync::statements::untold::{VERIFY_UNTOLD, VERIFY_UNTOLD_NAMED};
use crate::sync::untold::{Untold, untold_load};

pub(super) async fn verify(connection: &mut SqliteConnection, known: &Untold, report: &mut VerifyReport) -> Result<()> {
    let torn: Vec<(i64, String)> = sqlx::query_as(VERIFY_UNTOLD).fetch_all(&mut *connection).await?;
    for (client, operation) in torn {
        report
            .find(format!("what device {client} is to be told of {operation} does not fit its command, its item or the archive"));
    }
    let (rows, named): (i64, i64) = sqlx::query_as(VERIFY_UNTOLD_NAMED).fetch_one(&mut *connection).await?;
    if rows != named {
        report.find(format!(
            "{rows} entries are to be told to their devices, and {named} of them stand in the command that says so"
        ));
    }
    if untold_load(connection).await? != *known {
        report.find("the devices in memory that are to be told something are not those of the table".to_owned());
    }
    Ok(())
}
