//! The two books of the control channel agree: every command has come to its state by one event each, and the commands that were
//! given out are those that have ended and those that are open.

use std::collections::HashMap;

use sqlx::SqliteConnection;
use tidewatch_domain::engine::ClientKey;

use super::VerifyReport;
use crate::Result;
use crate::sync::statements::control::{COMMANDS_OPEN, VERIFY_COMMAND_EVENTS, VERIFY_COMMAND_STATES, VERIFY_COMMANDS};

pub(super) async fn verify(
    connection: &mut SqliteConnection,
    open: &HashMap<ClientKey, u32>,
    report: &mut VerifyReport,
) -> Result<()> {
    let (waiting,): (i64,) = sqlx::query_as(VERIFY_COMMAND_STATES).fetch_one(&mut *connection).await?;
    let (targeted, ended): (i64, i64) = sqlx::query_as(VERIFY_COMMAND_EVENTS).fetch_one(&mut *connection).await?;
    if targeted != ended + waiting {
        report.find(format!("{targeted} commands were given out, but {ended} ended and {waiting} are open"));
    }
    let torn: Vec<(String,)> = sqlx::query_as(VERIFY_COMMANDS).fetch_all(&mut *connection).await?;
    for (id,) in torn {
        report.find(format!("command {id} is not in the state that its events say"));
    }
    let counted: Vec<(i64, i64)> = sqlx::query_as(COMMANDS_OPEN).fetch_all(connection).await?;
    let known = open.values().filter(|count| **count > 0).count();
    let same = |(client, count): &(i64, i64)| {
        let known = open.get(&ClientKey(*client)).copied().unwrap_or(0);
        i64::from(known) == *count
    };
    if counted.len() != known || !counted.iter().all(same) {
        report.find("the open commands in memory are not those of the table".to_owned());
    }
    Ok(())
}
