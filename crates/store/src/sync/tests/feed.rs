//! Reading the log in pages.

use super::*;

#[tokio::test]
async fn pages_of_any_size_give_every_row_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    for n in 0..30 {
        let mut mutation = intent(&format!("op-{n}"), MutationOp::Put, "assets", &format!("a-{}", n % 7), json!({"n": n}));
        mutation.scope = scope(if n % 7 < 3 { "site:a" } else { "site:b" });
        push(&store, 1, vec![mutation]).await;
    }
    for limit in [1, 2, 7, 500] {
        let (mut seen, mut since) = (Vec::new(), None);
        loop {
            let page = page(&store, since.as_deref(), limit, false).await;
            seen.extend(page.rows.iter().map(|row| row.seq.0));
            since = Some(page.cursor);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(seen, (2..=31).collect::<Vec<_>>(), "limit {limit}");
    }
    store.close().await.expect("closes");
}
