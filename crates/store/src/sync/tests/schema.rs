//! The schema document is what the migrations make.

use sqlx::{Connection as _, SqliteConnection};

use super::*;

/// Where the whole schema is written down for readers.
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema.sql");

/// The schema of a database file as its migrations leave it.
async fn schema(dir: &Path, file: &str) -> String {
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", dir.join(file).display())).await.expect("opens");
    let rows: Vec<(String,)> = sqlx::query_as(
        r"select sql from sqlite_schema where sql is not null and name not like '\_sqlx%' escape '\' and name not like 'sqlite%' order by tbl_name, type = 'trigger', type = 'index', name",
    )
    .fetch_all(&mut connection)
    .await
    .expect("a schema");
    connection.close().await.expect("closes");
    rows.into_iter().map(|(sql,)| format!("{sql};\n\n")).collect()
}

/// Set `TIDEWATCH_UPDATE_SCHEMA` to write the document anew.
#[tokio::test]
async fn the_schema_document_is_what_the_migrations_make() {
    let dir = tempfile::tempdir().expect("a folder");
    store(dir.path()).await.close().await.expect("closes");
    let mut found = String::from(
        "-- The whole schema, as all migrations leave it. Written by a test; change the migrations, not this file.\n\n",
    );
    for file in ["sync.db", "telemetry.db", "console.db"] {
        found.push_str(&format!("-- {file}\n\n{}", schema(dir.path(), file).await));
    }
    if std::env::var_os("TIDEWATCH_UPDATE_SCHEMA").is_some() {
        std::fs::write(DOCUMENT, &found).expect("the document is written");
    }
    let document = std::fs::read_to_string(DOCUMENT).expect("docs/schema.sql is there");
    assert!(document == found, "docs/schema.sql is not what the migrations make: run this test with TIDEWATCH_UPDATE_SCHEMA=1");
}

#[tokio::test]
async fn every_migration_is_applied_once() {
    let dir = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        store(dir.path()).await.close().await.expect("closes");
    }
    assert!(schema(dir.path(), "sync.db").await.contains("CREATE TABLE changes ("), "opening twice leaves the log in place");
}
