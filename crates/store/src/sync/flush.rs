//! Writes the effects of a group: one statement a table, in chunks.

use std::collections::HashMap;

use sqlx::SqliteConnection;
use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState};
use tidewatch_domain::engine::{
    CollectionKey, Effects, LogState, NewChange, NewConflict, NewControl, NewDeadLetter, NewMemory, Record, RecordKey, ScopeKey,
    WorkingSet, op_number,
};
use tidewatch_domain::time::SECOND_MS;

use super::bulk::{Bound, write_all};
use super::drain::together;
use super::prefetch::status_number;
use super::statements::{
    ALIAS_ADD, ANCHOR_ADD, CHANGE_ADD, CLOCKS_PUT, CONFLICT_ADD, CONFLICT_CLOSE, CONFLICTS_MOVE, DEAD_LETTER_ADD, DIGEST_PUT,
    MEMORY_ADD, RECORD_ADD, RECORD_PUT, TIME_PUT,
};
use crate::Result;

/// A digest after the group: scope, collection, live rows, sum.
pub(crate) type DigestRow = (ScopeKey, CollectionKey, i64, u64);

/// Writes everything but the digests, which the caller has summed up.
pub(crate) async fn flush(
    connection: &mut SqliteConnection,
    effects: &Effects,
    set: &WorkingSet,
    log: &LogState,
    digests: &[DigestRow],
    dead_letter_last: i64,
) -> Result<()> {
    write_all(connection, &CHANGE_ADD, &effects.changes, bind_change).await?;
    write_all(connection, &CHANGE_ADD, &effects.controls, bind_control).await?;
    records_write(connection, effects, set).await?;
    write_all(connection, &MEMORY_ADD, &effects.memories, bind_memory).await?;
    write_all(connection, &CONFLICT_ADD, &effects.conflicts, bind_conflict).await?;
    for closed in &effects.closed {
        let query = sqlx::query(CONFLICT_CLOSE).bind(closed.id).bind(closed.resolution.clone());
        query.bind(format!("device:{}", closed.by)).bind(closed.seq.0).execute(&mut *connection).await?;
    }
    for ((collection, record_id), scope) in &effects.moved {
        let query = sqlx::query(CONFLICTS_MOVE).bind(collection.0).bind(record_id.to_string());
        query.bind(scope.0).execute(&mut *connection).await?;
    }
    let letters = || (dead_letter_last + 1..).zip(&effects.dead_letters);
    let groups = together(letters().map(|(id, letter)| (id, letter.client, letter.mutation.as_str())));
    let letters: Vec<(i64, &NewDeadLetter, Option<i64>)> =
        letters().zip(groups).map(|((id, letter), group)| (id, letter, group)).collect();
    write_all(connection, &DEAD_LETTER_ADD, &letters, bind_dead_letter).await?;
    write_all(connection, &ANCHOR_ADD, &effects.anchors, |query, anchor| {
        let (exact, near) = (anchor.value.exact.to_vec(), anchor.value.near);
        query.bind(anchor.collection.0).bind(exact).bind(near).bind(anchor.seq.0).bind(anchor.record_id.to_string())
    })
    .await?;
    write_all(connection, &ALIAS_ADD, &effects.aliases, |query, alias| {
        query.bind(alias.collection.0).bind(alias.alias.to_string()).bind(alias.record_id.to_string())
    })
    .await?;
    write_all(connection, &DIGEST_PUT, digests, |query, (scope, collection, rows, sum)| {
        query.bind(scope.0).bind(collection.0).bind(*rows).bind(sum.cast_signed())
    })
    .await?;
    if !effects.changes.is_empty() {
        times(connection, &effects.changes).await?;
    }
    // The time of the last batch as well: no row says it when the batch has left none, and time must not go back behind it.
    let clocks = sqlx::query(CLOCKS_PUT).bind(log.clock.last.0.to_string()).bind(log.committed.0.to_string());
    clocks.execute(connection).await?;
    Ok(())
}

/// New records and changed ones apart: only the latter need to look for what is there.
async fn records_write(connection: &mut SqliteConnection, effects: &Effects, set: &WorkingSet) -> Result<()> {
    let first = effects.changes.first().map(|change| change.seq);
    let is_new = |record: &Record| record.version.0 == 1 && first.is_some_and(|first| record.last_seq >= first);
    let records = effects.records.iter().filter_map(|key| set.records.get_key_value(key));
    let (new, changed): (Vec<_>, Vec<_>) = records.partition(|(_, record)| is_new(record));
    for (insert, records) in [(&RECORD_ADD, new), (&RECORD_PUT, changed)] {
        write_all(connection, insert, &records, |query, (key, record): &(&RecordKey, &Record)| bind_record(query, key, record))
            .await?;
    }
    Ok(())
}

async fn times(connection: &mut SqliteConnection, changes: &[NewChange]) -> Result<()> {
    let mut last: Vec<(i64, i64)> = Vec::new();
    for change in changes {
        let second = change.committed.0.div_euclid(SECOND_MS);
        match last.last_mut() {
            Some(row) if row.0 == second => row.1 = change.seq.0,
            _ => last.push((second, change.seq.0)),
        }
    }
    for (second, seq) in last {
        sqlx::query(TIME_PUT).bind(second).bind(seq).execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind_change(query: Bound, change: &NewChange) -> Bound {
    query
        .bind(change.seq.0)
        .bind(change.collection.key.0)
        .bind(change.record_id.to_string())
        .bind(change.scope_key.0)
        .bind(op_number(change.op))
        .bind(change.version.0)
        .bind(change.prev_seq.0)
        .bind(change.hlc.ticks.0.cast_signed())
        .bind(change.hlc.node.clone())
        .bind(change.hlc_claimed.clone())
        .bind(change.client.0)
        .bind(change.operation_id.to_string())
        .bind(change.schema_version)
        .bind(change.collection.policy_rev)
        .bind(if change.merged { 2_i64 } else { 1 })
        .bind(change.changed.clone())
        .bind(change.fields.clone())
        .bind(change.detail.clone())
        .bind(change.committed.0)
        .bind(change.digest.to_vec())
        .bind(change.chain.to_vec())
}

/// A row that changes no record, in the same columns.
pub(crate) fn bind_control(query: Bound, row: &NewControl) -> Bound {
    let control = &row.control;
    query
        .bind(row.seq.0)
        .bind(control.collection.as_ref().map_or(0, |collection| collection.key.0))
        .bind(control.record_id.as_ref().map(ToString::to_string).unwrap_or_default())
        .bind(control.scope.0.0)
        .bind(control.op.number())
        .bind(control.version.0)
        .bind(0_i64)
        .bind(row.hlc.ticks.0.cast_signed())
        .bind(row.hlc.node.clone())
        .bind(None::<String>)
        .bind(control.client.as_ref().map_or(0, |(key, _)| key.0))
        .bind(control.operation_id.clone())
        .bind(0_i64)
        .bind(row.policy_rev())
        .bind(0_i64)
        .bind(None::<String>)
        .bind(None::<String>)
        .bind(row.detail.clone())
        .bind(row.committed.0)
        .bind(row.digest.to_vec())
        .bind(row.chain.to_vec())
}

fn bind_record(query: Bound, key: &RecordKey, record: &Record) -> Bound {
    query
        .bind(key.0.0)
        .bind(key.1.to_string())
        .bind(record.scope.0)
        .bind(record.version.0)
        .bind(record.last_seq.0)
        .bind(record.hlc.ticks.0.cast_signed())
        .bind(record.hlc.node.clone())
        .bind(i64::from(record.deleted))
        .bind(i64::from(record.conflicted))
        .bind(record.last_client.0)
        .bind(record.last_operation_id.clone())
        .bind(record.content_hash.to_vec())
        .bind(record.meta.clone())
}

fn bind_memory(query: Bound, memory: &NewMemory) -> Bound {
    query
        .bind(memory.client.0)
        .bind(memory.key.to_string())
        .bind(memory.digest.to_vec())
        .bind(status_number(memory.status))
        .bind(memory.seq.map(|seq| seq.0))
        .bind(memory.version.map(|version| version.0))
        .bind(memory.extra.clone())
        .bind(memory.client_seq)
        .bind(memory.at.0)
}

fn bind_conflict(query: Bound, conflict: &NewConflict) -> Bound {
    query
        .bind(conflict.id)
        .bind(conflict.collection.key.0)
        .bind(conflict.record_id.to_string())
        .bind(conflict.scope.0)
        .bind(conflict.seq.0)
        .bind(kind_number(conflict))
        .bind(conflict.collection.policy_rev)
        .bind(conflict.inputs.clone())
        .bind(conflict.base.clone())
        .bind(conflict.local.clone())
        .bind(conflict.server.clone())
        .bind(conflict.client.0)
        .bind(conflict.operation_id.to_string())
        .bind(i64::from(!conflict.open))
        .bind(conflict.resolution.clone())
        .bind(conflict.branch.clone())
        .bind(conflict.at.0)
}

/// Number of a kind in `conflicts`: its place in `DisputeKind::ALL`, from 1.
fn kind_number(conflict: &NewConflict) -> i64 {
    use tidewatch_domain::decide::DisputeKind;
    DisputeKind::ALL.into_iter().zip(1..).find(|(kind, _)| *kind == conflict.kind).map_or(0, |(_, number)| number)
}

fn bind_dead_letter(query: Bound, (id, letter, group): &(i64, &NewDeadLetter, Option<i64>)) -> Bound {
    query
        .bind(*id)
        .bind(letter.client.0)
        .bind(letter.operation_id.to_string())
        .bind(letter.code)
        .bind(letter.detail.clone())
        .bind(letter.mutation.clone())
        .bind(ArchiveOrigin::Refused.number())
        .bind(ArchiveState::Poisoned.number())
        .bind(ArchiveState::Poisoned.number())
        .bind(letter.at.0)
        .bind(letter.at.0)
        .bind(None::<Vec<u8>>)
        .bind(*group)
}

/// The digests after a group, from those before it.
pub(crate) fn digests_after(before: &HashMap<(ScopeKey, CollectionKey), (i64, u64)>, effects: &Effects) -> Vec<DigestRow> {
    let mut after: std::collections::BTreeMap<(ScopeKey, CollectionKey), (i64, u64)> = std::collections::BTreeMap::new();
    for (scope, collection, rows, sum) in &effects.digests {
        let key = (*scope, *collection);
        let digest = after.entry(key).or_insert_with(|| before.get(&key).copied().unwrap_or_default());
        *digest = (digest.0 + rows, digest.1.wrapping_add(*sum));
    }
    after.into_iter().map(|((scope, collection), (rows, sum))| (scope, collection, rows, sum)).collect()
}
