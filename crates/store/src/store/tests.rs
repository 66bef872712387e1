//! Opening the files of a store.

use super::*;

#[tokio::test]
async fn a_store_opens_twice_in_the_same_folder() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for _ in 0..2 {
        let store = Store::open(dir.path(), StoreOptions::new(Millis(1_700_000_000_000), 7)).await.expect("opens");
        store.close().await.expect("closes");
    }
    assert!(dir.path().join("sync.db").exists());
}
