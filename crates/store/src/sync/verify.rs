//! Proof that the file is what the engine wrote: the chains of the log and of the audit log are computed again, and records
//! and digests are rebuilt from the log and compared. Reads one snapshot, in stretches.

mod commands;
mod controls;
mod merges;
mod things;
mod untold;

use std::collections::{HashMap, HashSet};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tidewatch_domain::decide::{Detail, Meta, Stamp};
use tidewatch_domain::digest::{Hash, chain_next, content_hash, record_hash};
use tidewatch_domain::engine::{ChangeFacts, ClientKey, CollectionKey, ScopeKey};
use tidewatch_domain::hlc::Ticks;
use tidewatch_domain::ids::Version;
use tidewatch_domain::time::Millis;

use self::controls::Controls;
use self::things::Things;
use super::Sync;
use super::checkpoint::LongRead;
use super::commands::{AuditFacts, audit_digest};
use super::live::Live;
use super::opening::genesis_hashes;
use super::statements::{META_LIST, VERIFY_AUDIT, VERIFY_CHANGES, VERIFY_CONFLICTED, VERIFY_DIGESTS, VERIFY_RECORDS};
use crate::Result;

/// Rows that are read at once.
const STRETCH: i64 = 5_000;
/// Findings that are spelled out; the rest are counted.
const FINDINGS_MAX: usize = 100;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Rows of the log that were read.
    pub changes: u64,
    /// Records that were rebuilt.
    pub records: u64,
    /// Audit rows that were read.
    pub audit_events: u64,
    /// Payloads in escrow that were opened.
    pub sealed: u64,
    /// Entries whose payloads were purged.
    pub purged: u64,
    /// Jobs whose items are in files, which were compared.
    pub rolled: u64,
    /// Prebuilt snapshots whose files were compared.
    pub snapshots: u64,
    /// What is wrong, at most a hundred sentences.
    pub findings: Vec<String>,
    /// How many things are wrong in all.
    pub wrong: u64,
    /// Chain at the head, hex: two stores with the same chain hold the same log.
    pub chain: String,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.wrong == 0
    }

    pub(crate) fn find(&mut self, sentence: String) {
        self.wrong += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(sentence);
        }
    }
}

/// A record as the log says it must be.
#[derive(Debug)]
struct Rebuilt {
    scope: i64,
    version: i64,
    last_seq: i64,
    deleted: bool,
    content: Hash,
    meta: Option<String>,
}

type Records = HashMap<(i64, String), Rebuilt>;

#[derive(sqlx::FromRow)]
struct ChangeRow {
    seq: i64,
    collection: i64,
    record_id: String,
    scope: i64,
    op: i64,
    version: i64,
    prev_seq: i64,
    hlc: i64,
    hlc_node: String,
    hlc_claimed: Option<String>,
    client: i64,
    operation_id: String,
    schema_version: i64,
    policy_rev: i64,
    decision: i64,
    changed: Option<String>,
    fields: Option<String>,
    detail: Option<String>,
    committed_ms: i64,
    digest: Vec<u8>,
    chain: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct RecordRow {
    collection: i64,
    record_id: String,
    scope: i64,
    version: i64,
    last_seq: i64,
    deleted: bool,
    conflicted: bool,
    content_hash: Vec<u8>,
    meta: Option<String>,
}

#[derive(sqlx::FromRow)]
struct AuditRow {
    id: i64,
    at_ms: i64,
    actor: String,
    action: String,
    subject: Option<String>,
    before: Option<String>,
    after: Option<String>,
    trace_id: Option<String>,
    chain: Vec<u8>,
}

impl Sync {
    /// Verifies the whole file. Takes memory for every record's id.
    ///
    /// # Errors
    /// As the database. What is wrong with the contents is in the report.
    pub async fn verify(&self) -> Result<VerifyReport> {
        let mut report = VerifyReport::default();
        // A connection of its own: it holds its snapshot for long, and those of the pool are for requests.
        let mut connection = self.readers.connect_options().connect().await?;
        let _reading = LongRead::begin(&self.shared);
        let mut snapshot = connection.begin().await?;
        let records = self.verify_log(&mut snapshot, &mut report).await?;
        verify_records(&mut snapshot, &records, &mut report).await?;
        verify_digests(&mut snapshot, &records, &mut report).await?;
        verify_audit(&mut snapshot, &mut report).await?;
        super::drain::verify::verify(&mut snapshot, &self.shared.live, &mut report).await?;
        let open = self.shared.live().commands_open.clone();
        commands::verify(&mut snapshot, &open, &mut report).await?;
        let told = self.shared.live().untold.clone();
        untold::verify(&mut snapshot, &told, &mut report).await?;
        self.verify_snapshots(&mut snapshot, &mut report).await?;
        self.verify_sealed(&mut snapshot, &mut report).await?;
        self.verify_purges(&mut snapshot, &mut report).await?;
        self.verify_rolled(&mut snapshot, &mut report).await?;
        snapshot.rollback().await?;
        connection.close().await?;
        Ok(report)
    }

    async fn verify_log(&self, connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<Records> {
        let meta: Vec<(String, String)> = sqlx::query_as(META_LIST).fetch_all(&mut *connection).await?;
        let store_id = meta.into_iter().find(|(k, _)| k == "store_id").map(|(_, v)| v).unwrap_or_default();
        let mut things = Things::load(connection).await?;
        let (mut chain, mut last, mut records) = ([0; 32], 0, Records::new());
        let mut controls = Controls::default();
        loop {
            let rows: Vec<ChangeRow> =
                sqlx::query_as(VERIFY_CHANGES).bind(last).bind(STRETCH).fetch_all(&mut *connection).await?;
            let Some(end) = rows.last().map(|row| row.seq) else { break };
            let live = self.shared.live();
            for row in &rows {
                if row.seq != last + 1 {
                    report.find(format!("positions {} to {} are missing from the log", last + 1, row.seq - 1));
                }
                last = row.seq;
                let (digest, next) = if row.seq == 1 { genesis_hashes(&store_id) } else { row_hashes(row, &chain, &live) };
                if row.digest != digest {
                    report.find(format!("change {} does not match its digest", row.seq));
                }
                if row.chain != next {
                    report.find(format!("the chain breaks at change {}", row.seq));
                }
                // Go on from what is written, so that one broken link is one finding.
                chain = row.chain.as_slice().try_into().unwrap_or(next);
                if row.op > 5 {
                    controls.add(row, &records, report);
                } else {
                    controls.change(row, &records, report);
                    rebuild(row, &live, &mut records, report);
                    things.add(row, &live);
                }
                report.changes += 1;
            }
            last = end;
        }
        things.verify(connection, report).await?;
        controls.verify(connection, report).await?;
        merges::verify(connection, report).await?;
        report.records = records.len() as u64;
        report.chain = hex::encode(chain);
        Ok(records)
    }
}

fn row_hashes(row: &ChangeRow, chain: &Hash, live: &Live) -> (Hash, Hash) {
    let collection = live.collection_name(CollectionKey(row.collection)).map(ToString::to_string).unwrap_or_default();
    let scope = live.scope_names.get(&ScopeKey(row.scope)).map(ToString::to_string).unwrap_or_default();
    let client_id = live.client_ids.get(&ClientKey(row.client)).map(ToString::to_string).unwrap_or_default();
    let digest = ChangeFacts {
        collection: &collection,
        record_id: &row.record_id,
        scope: &scope,
        op: row.op,
        version: row.version,
        prev_seq: row.prev_seq,
        ticks: row.hlc,
        node: &row.hlc_node,
        hlc_claimed: row.hlc_claimed.as_deref(),
        client_id: &client_id,
        operation_id: &row.operation_id,
        schema_version: row.schema_version,
        policy_rev: row.policy_rev,
        decision: row.decision,
        changed: row.changed.as_deref(),
        content: &content_hash(row.fields.as_deref()),
        committed: Millis(row.committed_ms),
        detail: row.detail.as_deref(),
    }
    .digest();
    (digest, chain_next(chain, row.seq, &digest))
}

fn rebuild(row: &ChangeRow, live: &Live, records: &mut Records, report: &mut VerifyReport) {
    let key = (row.collection, row.record_id.clone());
    let (version, prev_seq) = records.get(&key).map_or((0, 0), |before| (before.version, before.last_seq));
    let before = records.get_mut(&key).and_then(|before| before.meta.take());
    if row.version != version + 1 || row.prev_seq != prev_seq {
        report.find(format!("change {} is version {} after {}, of the change at {prev_seq}", row.seq, row.version, version));
    }
    records.insert(
        key,
        Rebuilt {
            scope: row.scope,
            version: row.version,
            last_seq: row.seq,
            deleted: row.fields.is_none(),
            content: content_hash(row.fields.as_deref()),
            meta: if before.is_none() && row.detail.is_none() { None } else { meta_after(row, live, before.as_deref()) },
        },
    );
}

/// What the policy keeps beside the body after a row, as the engine computes it.
fn meta_after(row: &ChangeRow, live: &Live, before: Option<&str>) -> Option<String> {
    let client_id = live.client_ids.get(&ClientKey(row.client)).map(ToString::to_string).unwrap_or_default();
    let ticks = Ticks(row.hlc.cast_unsigned());
    let stamp = Stamp { ticks, node: &row.hlc_node, client: &client_id, operation: &row.operation_id };
    Meta::read(before).after(&Detail::read(row.detail.as_deref()), stamp).text()
}

async fn verify_records(connection: &mut SqliteConnection, records: &Records, report: &mut VerifyReport) -> Result<()> {
    let open: Vec<(i64, String)> = sqlx::query_as(VERIFY_CONFLICTED).fetch_all(&mut *connection).await?;
    let open: HashSet<(i64, String)> = open.into_iter().collect();
    let (mut seen, mut after) = (0, (i64::MIN, String::new()));
    loop {
        let rows: Vec<RecordRow> =
            sqlx::query_as(VERIFY_RECORDS).bind(after.0).bind(after.1.clone()).bind(STRETCH).fetch_all(&mut *connection).await?;
        let Some(last) = rows.last() else { break };
        after = (last.collection, last.record_id.clone());
        for row in rows {
            seen += 1;
            let key = (row.collection, row.record_id);
            let same = records.get(&key).is_some_and(|wanted| {
                (wanted.scope, wanted.version, wanted.last_seq, wanted.deleted, wanted.content.as_slice(), &wanted.meta)
                    == (row.scope, row.version, row.last_seq, row.deleted, row.content_hash.as_slice(), &row.meta)
            });
            if !same {
                report.find(format!("record {} is not as the log says", key.1));
            }
            if row.conflicted != open.contains(&key) {
                report.find(format!("record {} and its open conflicts disagree", key.1));
            }
        }
    }
    if seen != records.len() {
        report.find(format!("the log has {} records, the projection {seen}", records.len()));
    }
    Ok(())
}

async fn verify_digests(connection: &mut SqliteConnection, records: &Records, report: &mut VerifyReport) -> Result<()> {
    let mut wanted: HashMap<(i64, i64), (i64, u64)> = HashMap::new();
    for ((collection, record_id), record) in records {
        let digest = wanted.entry((record.scope, *collection)).or_default();
        if !record.deleted {
            let hash = record_hash(record_id, Version(record.version), &record.content);
            *digest = (digest.0 + 1, digest.1.wrapping_add(hash));
        }
    }
    let found: Vec<(i64, i64, i64, i64)> = sqlx::query_as(VERIFY_DIGESTS).fetch_all(connection).await?;
    let found: HashMap<(i64, i64), (i64, u64)> = found
        .into_iter()
        .map(|(scope, collection, rows, digest)| ((scope, collection), (rows, digest.cast_unsigned())))
        .collect();
    // Where nothing is left there may be a row that says so, or none.
    let (mut found, mut wanted) = (found, wanted);
    for digests in [&mut found, &mut wanted] {
        digests.retain(|_, digest| *digest != (0, 0));
    }
    if found != wanted {
        report.find("the digests of scopes are not those of their records".to_owned());
    }
    Ok(())
}

async fn verify_audit(connection: &mut SqliteConnection, report: &mut VerifyReport) -> Result<()> {
    let (mut chain, mut last) = ([0; 32], 0);
    loop {
        let rows: Vec<AuditRow> = sqlx::query_as(VERIFY_AUDIT).bind(last).bind(STRETCH).fetch_all(&mut *connection).await?;
        let Some(end) = rows.last().map(|row| row.id) else { return Ok(()) };
        for row in &rows {
            if row.id != last + 1 {
                report.find(format!("audit rows {} to {} are missing", last + 1, row.id - 1));
            }
            last = row.id;
            let facts = AuditFacts {
                actor: &row.actor,
                action: &row.action,
                subject: row.subject.as_deref(),
                before: row.before.as_deref(),
                after: row.after.as_deref(),
                trace_id: row.trace_id.as_deref(),
            };
            let next = chain_next(&chain, row.id, &audit_digest(Millis(row.at_ms), &facts));
            if row.chain != next {
                report.find(format!("the audit chain breaks at row {}", row.id));
            }
            chain = row.chain.as_slice().try_into().unwrap_or(next);
            report.audit_events += 1;
        }
        last = end;
    }
}
