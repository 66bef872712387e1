//! Every statement is prepared against the schema, and only those named here may read a whole table.

use super::*;
use crate::sync::drain::job_statements as jobs;
use crate::sync::drain::statements as drain;
use crate::sync::purge::statements as purge;
use crate::sync::roll::statements as roll;
use crate::sync::snapshots::statements as snapshots;
use crate::sync::statements::{MANY, SINGLE, control, feed, untold};

/// Statements that read a whole table on purpose: once at start, tables of a few rows, indexes of nothing else than what is wanted, the
/// end of a table, and every device when an operation is looked for whose device is not known.
const MAY_SCAN: &[&str] = &[
    "META_LIST",
    "EPOCH_LIST",
    "COLLECTION_LIST",
    "SCOPE_LIST",
    "DIGEST_LIST",
    "CONTROL_HEADS",
    "LOG_HEAD",
    "AUDIT_HEAD",
    "MEMORY_OF_KEY",
    "VERIFY_CONFLICTED",
    "VERIFY_DIGESTS",
    "VERIFY_CONFLICT_STATES",
    "VERIFY_MERGES",
    "VERIFY_POLICIES",
    "VERIFY_ANCHORS",
    "VERIFY_ALIASES",
    "COMMANDS_OPEN",
    "CONTROL_KEY_LIST",
    "CONTROL_KEY_LAST",
    "VERIFY_COMMAND_STATES",
    "VERIFY_COMMAND_EVENTS",
    "VERIFY_COMMANDS",
    "SNAPSHOT_LIST",
    "SNAPSHOT_PART_LIST",
    "ESCROW_KEYS_NEEDED",
    "LETTERS_READABLE",
    "VERIFY_READABLE",
    "VERIFY_SEALED",
    "HANDED_CLIENTS",
    "VERIFY_HANDED",
    "UNTOLD_ALL",
    "VERIFY_UNTOLD",
    "VERIFY_UNTOLD_NAMED",
];

/// Statements that sort or group on purpose: a verification, and what one job comes to, by reason, by device, by second and by group, the
/// few entries of one group, the few sets that a person has open, and the few jobs that wait for one.
const MAY_SORT: &[&str] = &[
    "VERIFY_CONFLICTED",
    "VERIFY_ITEMS",
    "ITEMS_REASONS",
    "ITEMS_DEVICES",
    "ITEMS_SECONDS",
    "ITEMS_TRIED",
    "BEHIND_FATES",
    "LETTERS_TOGETHER",
    "ITEMS_TOGETHER",
    "JOBS_WAITING",
    "SETS_OVER",
    "VERIFY_UNTOLD_NAMED",
];

#[tokio::test]
async fn every_statement_is_prepared_and_only_the_named_ones_scan() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let pool = &store.sync().readers;
    let mut plans = String::new();
    let all =
        SINGLE.iter().chain(feed::SINGLE).chain(control::SINGLE).chain(drain::SINGLE).chain(jobs::SINGLE).chain(untold::SINGLE);
    for (name, text) in all.chain(snapshots::SINGLE).chain(purge::SINGLE).chain(roll::SINGLE) {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("explain query plan {text}"))).fetch_all(pool).await.expect(name);
        let lines: Vec<&str> = plan.iter().map(|(.., line)| line.as_str()).collect();
        let scans = lines.iter().any(|line| {
            line.starts_with("SCAN")
                && !line.starts_with("SCAN j")
                && !line.starts_with("SCAN p")
                && !line.contains("subquery")
                && !line.contains("CONSTANT")
                && !line.contains("VALUES CLAUSE")
        });
        assert!(!scans || MAY_SCAN.contains(name), "{name} scans: {lines:?}");
        let sorts = lines.iter().any(|line| line.contains("TEMP B-TREE"));
        assert!(!sorts || MAY_SORT.contains(name), "{name} sorts: {lines:?}");
        plans.push_str(&format!("{name}\n  {}\n", lines.join("\n  ")));
    }
    for (name, insert) in MANY.iter().chain(control::MANY).chain(drain::MANY).chain(untold::MANY) {
        let text = format!("explain query plan {}", insert.text(2));
        sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(pool).await.expect(name);
    }
    insta::assert_snapshot!(plans);
    store.close().await.expect("closes");
}
