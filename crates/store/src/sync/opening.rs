//! Opening the log: the genesis row and the epoch of a new store, the check against a restored copy, the state in memory.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::{SqliteConnection, SqlitePool};
use tidewatch_domain::digest::{Hash, RowHasher, chain_next};
use tidewatch_domain::engine::{ClientKey, CollectionKey, LogState, ScopeKey};
use tidewatch_domain::hlc::{ServerClock, Ticks};
use tidewatch_domain::ids::{ClientId, CollectionName, Epoch, Scope, Seq};
use tidewatch_domain::sync::CollectionInfo;
use tidewatch_domain::time::Millis;

use super::checkpoint::hint_read;
use super::handed::handed_load;
use super::live::{Client, Configured, Live, Sequence};
use super::sealing::vault_open;
use super::snapshots::{self, Snapshots};
use super::statements::control::COMMANDS_OPEN;
use super::statements::{
    AUDIT_HEAD, CLIENT_LIST, COLLECTION_LIST, CONFLICT_LAST, CONTROL_HEADS, DEAD_LETTER_LAST, DIGEST_LIST, EPOCH_ADD, EPOCH_LIST,
    GENESIS_ADD, LOG_HEAD, META_LIST, META_PUT, SCOPE_LIST,
};
use super::untold::untold_load;
use super::writer::WriterState;
use crate::database::{CacheSize, connect_again, database_open, readers_again};
use crate::vault::{KeyFile, Vault};
use crate::{Error, Result, StoreOptions};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sync");
/// The writer reads records and remembered answers at random; pages of the feed are read once and in order.
const CACHE: CacheSize = CacheSize { writer: 32 * 1024, reader: 4 * 1024 };

/// Readers of the control channel, and what each may keep of the file.
const CONTROL_READERS: u32 = 2;
const CONTROL_CACHE_KIB: u32 = 512;

/// Devices that are read at once.
const CLIENTS_AT_ONCE: i64 = 1_000;

/// An opened log.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) writer: SqliteConnection,
    pub(crate) checkpointer: SqliteConnection,
    pub(crate) readers: SqlitePool,
    pub(crate) control_readers: SqlitePool,
    pub(crate) live: Live,
    pub(crate) state: WriterState,
    pub(crate) handed: std::collections::HashSet<ClientKey>,
    pub(crate) epoch: Epoch,
    pub(crate) ancestors: Vec<(Epoch, Seq)>,
    pub(crate) snapshots: Snapshots,
    pub(crate) vault: Vault,
}

pub(crate) async fn open(dir: &Path, options: &StoreOptions) -> Result<Opened> {
    let path = dir.join("sync.db");
    let database = database_open(path.clone(), options.durability, options.readers, CACHE, &MIGRATIONS).await?;
    let mut writer = database.writer.lock().await.take().ok_or(Error::Closed)?;
    genesis(&mut writer, options).await?;
    rollback_check(&mut writer, options).await?;
    let vault = vault_open(&KeyFile::of(dir, options.escrow_key.as_deref()), &mut writer, options.now).await?;
    let state = writer_state(&mut writer).await?;
    let handed = handed_load(&mut writer).await?;
    let live = live_load(&mut writer, state.log.head).await?;
    let (epoch, ancestors) = lineage(&mut writer).await?;
    let snapshots = snapshots::open(dir, options.snapshots, &mut writer, (&live.scope_names, live.head), epoch).await?;
    let checkpointer = connect_again(&path, options.durability).await?;
    let control_readers = readers_again(&path, CONTROL_READERS, CONTROL_CACHE_KIB);
    let scope_last = live.scope_names.keys().map(|key| key.0).max().unwrap_or(0);
    let client_last = live.client_ids.keys().map(|key| key.0).max().unwrap_or(0);
    let state = WriterState { scope_last, client_last, ..state };
    Ok(Opened {
        writer,
        checkpointer,
        readers: database.readers,
        control_readers,
        live,
        state,
        handed,
        epoch,
        ancestors,
        snapshots,
        vault,
    })
}

fn hash(bytes: &[u8]) -> Result<Hash> {
    bytes.try_into().map_err(|_| Error::Corrupt("a hash has not 32 bytes".to_owned()))
}

/// Chain and digest of the genesis row: the store's own id is in it, so no two stores have the same chain.
pub(crate) fn genesis_hashes(store_id: &str) -> (Hash, Hash) {
    let digest = RowHasher::default().bytes("genesis").bytes(store_id).finish();
    (digest, chain_next(&[0; 32], 1, &digest))
}

async fn meta(connection: &mut SqliteConnection, key: &str) -> Result<Option<String>> {
    let rows: Vec<(String, String)> = sqlx::query_as(META_LIST).fetch_all(connection).await?;
    Ok(rows.into_iter().find(|(k, _)| k == key).map(|(_, v)| v))
}

async fn meta_put(connection: &mut SqliteConnection, key: &'static str, value: String) -> Result<()> {
    sqlx::query(META_PUT).bind(key).bind(value).execute(connection).await?;
    Ok(())
}

/// Makes the first row and the first epoch of a new store.
async fn genesis(connection: &mut SqliteConnection, options: &StoreOptions) -> Result<()> {
    if meta(connection, "store_id").await?.is_some() {
        return Ok(());
    }
    let store_id = format!("{:016x}", options.entropy);
    let epoch = Epoch(options.entropy.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15).to_string();
    let (digest, chain) = genesis_hashes(&store_id);
    sqlx::query("begin immediate").execute(&mut *connection).await?;
    sqlx::query(GENESIS_ADD).bind(options.now.0).bind(digest.to_vec()).bind(chain.to_vec()).execute(&mut *connection).await?;
    epoch_add(connection, &epoch, None, Seq(0), options.now, "created").await?;
    meta_put(connection, "store_id", store_id).await?;
    meta_put(connection, "epoch", epoch).await?;
    meta_put(connection, "dedupe_rotated_ms", options.now.0.to_string()).await?;
    sqlx::query("commit").execute(&mut *connection).await?;
    Ok(())
}

async fn epoch_add(
    connection: &mut SqliteConnection,
    epoch: &str,
    parent: Option<String>,
    fork: Seq,
    at: Millis,
    reason: &'static str,
) -> Result<()> {
    sqlx::query(EPOCH_ADD).bind(epoch.to_owned()).bind(parent).bind(fork.0).bind(at.0).bind(reason).execute(connection).await?;
    Ok(())
}

/// A log that is shorter than it once was has been put back from a copy: positions above its end were handed out before.
async fn rollback_check(connection: &mut SqliteConnection, options: &StoreOptions) -> Result<()> {
    let Some(path) = &options.hint else { return Ok(()) };
    let Some((hint_epoch, hint)) = hint_read(path).await? else { return Ok(()) };
    let (head, ..) = log_head(connection).await?;
    let epoch = meta(connection, "epoch").await?.unwrap_or_default();
    if hint_epoch != epoch || head >= hint {
        return Ok(());
    }
    if !options.accept_rollback {
        return Err(Error::RolledBack { head: head.0, hint: hint.0 });
    }
    let fresh = Epoch(options.entropy.rotate_left(29) ^ u64::from_str_radix(&epoch, 16).unwrap_or(0)).to_string();
    sqlx::query("begin immediate").execute(&mut *connection).await?;
    epoch_add(connection, &fresh, Some(epoch), head, options.now, "restored").await?;
    meta_put(connection, "epoch", fresh).await?;
    sqlx::query("commit").execute(&mut *connection).await?;
    Ok(())
}

async fn log_head(connection: &mut SqliteConnection) -> Result<(Seq, Hash, Millis)> {
    let (seq, chain, committed): (i64, Vec<u8>, i64) = sqlx::query_as(LOG_HEAD).fetch_one(connection).await?;
    Ok((Seq(seq), hash(&chain)?, Millis(committed)))
}

pub(super) async fn writer_state(connection: &mut SqliteConnection) -> Result<WriterState> {
    let (head, chain, committed) = log_head(connection).await?;
    let (conflict_id,): (i64,) = sqlx::query_as(CONFLICT_LAST).fetch_one(&mut *connection).await?;
    let (dead_letter_last,): (i64,) = sqlx::query_as(DEAD_LETTER_LAST).fetch_one(&mut *connection).await?;
    let audit: Option<(i64, Vec<u8>)> = sqlx::query_as(AUDIT_HEAD).fetch_optional(&mut *connection).await?;
    let audit = match audit {
        Some((id, chain)) => (id, hash(&chain)?),
        None => (0, [0; 32]),
    };
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let clock = ServerClock { last: Ticks(number(meta(connection, "server_hlc").await?)) };
    let rotated = i64::try_from(number(meta(connection, "dedupe_rotated_ms").await?)).unwrap_or(0);
    let decided = i64::try_from(number(meta(connection, "decided_ms").await?)).unwrap_or(0);
    let log = LogState { head, chain, clock, conflict_id, committed: committed.max(Millis(decided)) };
    Ok(WriterState { log, dead_letter_last, audit, client_last: 0, scope_last: 0, memory_rotated: Millis(rotated) })
}

/// The epoch, and the older ones with the position at which each ended.
async fn lineage(connection: &mut SqliteConnection) -> Result<(Epoch, Vec<(Epoch, Seq)>)> {
    let rows: Vec<(String, Option<String>, i64)> = sqlx::query_as(EPOCH_LIST).fetch_all(&mut *connection).await?;
    let current = meta(connection, "epoch").await?.unwrap_or_default();
    let read = |text: &str| Epoch::parse(text).ok_or_else(|| Error::Corrupt("an epoch is not 16 hex digits".to_owned()));
    let (mut ancestors, mut at, mut lowest) = (Vec::new(), current.clone(), i64::MAX);
    // Each step goes to another row, so the rows bound the walk.
    for _ in 0..rows.len() {
        let Some((_, Some(parent), fork)) = rows.iter().find(|(epoch, ..)| *epoch == at) else { break };
        lowest = lowest.min(*fork);
        ancestors.push((read(parent)?, Seq(lowest)));
        at.clone_from(parent);
    }
    Ok((read(&current)?, ancestors))
}

async fn live_load(connection: &mut SqliteConnection, head: Seq) -> Result<Live> {
    let mut live = Live { head, ..Live::default() };
    collections_load(connection, &mut live).await?;
    let scopes: Vec<(i64, String, i64)> = sqlx::query_as(SCOPE_LIST).fetch_all(&mut *connection).await?;
    for (key, name, head) in scopes {
        live.scope_add(ScopeKey(key), Scope::parse(name).map_err(corrupt)?, Seq(head));
    }
    let controls: Vec<(i64, i64)> = sqlx::query_as(CONTROL_HEADS).fetch_all(&mut *connection).await?;
    for (key, seq) in controls {
        // The genesis row stands in no scope.
        if live.scope_names.contains_key(&ScopeKey(key)) {
            live.control_add(ScopeKey(key), Seq(seq), false);
        }
    }
    let digests: Vec<(i64, i64, i64, i64)> = sqlx::query_as(DIGEST_LIST).fetch_all(&mut *connection).await?;
    for (scope, collection, rows, digest) in digests {
        live.digests.insert((ScopeKey(scope), CollectionKey(collection)), (rows, digest.cast_unsigned()));
    }
    clients_load(connection, &mut live).await?;
    live.untold = untold_load(connection).await?;
    let open: Vec<(i64, i64)> = sqlx::query_as(COMMANDS_OPEN).fetch_all(connection).await?;
    live.commands_count(&open.into_iter().map(|(client, count)| (ClientKey(client), count)).collect());
    Ok(live)
}

fn corrupt(error: impl std::fmt::Display) -> Error {
    Error::Corrupt(error.to_string())
}

async fn collections_load(connection: &mut SqliteConnection, live: &mut Live) -> Result<()> {
    let rows: Vec<(i64, String, i64, i64, String, String, i64)> = sqlx::query_as(COLLECTION_LIST).fetch_all(connection).await?;
    for (key, name, schema_min, schema_current, priority, policy, policy_rev) in rows {
        let info = CollectionInfo {
            name: CollectionName::parse(name).map_err(corrupt)?,
            schema_min,
            schema_current,
            policy,
            policy_rev,
            priority: super::collections::priority_read(&priority)
                .ok_or_else(|| corrupt("a collection has an unknown priority"))?,
        };
        live.collection_put(Configured::new(CollectionKey(key), info)?);
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct ClientRow {
    id: i64,
    client_id: String,
    principal: String,
    platform: Option<String>,
    app_version: Option<String>,
    schema_version: Option<i64>,
    scopes: String,
    simulated: bool,
    blocked: bool,
    role: Option<String>,
    role_rank: i64,
    created_ms: i64,
    last_client_seq: i64,
    ack_floor: i64,
    public_key: Option<Vec<u8>>,
}

/// In parts: a hundred thousand rows at once would leave the memory that they took with the process for good.
async fn clients_load(connection: &mut SqliteConnection, live: &mut Live) -> Result<()> {
    let mut last = 0;
    loop {
        let rows: Vec<ClientRow> =
            sqlx::query_as(CLIENT_LIST).bind(last).bind(CLIENTS_AT_ONCE).fetch_all(&mut *connection).await?;
        let Some(newest) = rows.last() else { return Ok(()) };
        last = newest.id;
        clients_put(live, rows)?;
    }
}

fn clients_put(live: &mut Live, rows: Vec<ClientRow>) -> Result<()> {
    for row in rows {
        let names: Vec<String> = serde_json::from_str(&row.scopes).map_err(corrupt)?;
        let scopes: Vec<Scope> = names.into_iter().map(Scope::parse).collect::<std::result::Result<_, _>>().map_err(corrupt)?;
        let (grants, scopes) = live.grants(&scopes)?;
        let sequence = Sequence { last: row.last_client_seq, floor: row.ack_floor };
        if sequence != Sequence::default() {
            live.sequences.insert(ClientKey(row.id), sequence);
        }
        live.client_put(Client {
            key: ClientKey(row.id),
            grants,
            client_id: ClientId::parse(row.client_id).map_err(corrupt)?,
            principal: row.principal,
            platform: row.platform,
            app_version: row.app_version,
            schema_version: row.schema_version,
            scopes,
            simulated: row.simulated,
            blocked: row.blocked,
            role: row.role,
            role_rank: row.role_rank,
            created: Millis(row.created_ms),
            public_key: row.public_key.map(|key| hash(&key).map(Box::new)).transpose()?,
        });
    }
    Ok(())
}
