//! Intents that one device sends for another, keys and nonces, as the store keeps them.

use tidewatch_domain::sync::Terms;

use super::*;

fn made_by(author: u32, mutation: Mutation) -> Mutation {
    let terms = Terms { author: Some(client(author)), ..mutation.terms.as_deref().cloned().unwrap_or_default() };
    Mutation { terms: Some(Box::new(terms)), ..mutation }
}

fn create(id: &str, record: &str) -> Mutation {
    intent(id, MutationOp::Create, "assets", record, json!({"n": 1}))
}

#[tokio::test]
async fn a_relayed_intent_is_decided_remembered_and_kept_as_that_of_its_device() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let depends = |parent: &str, mutation: Mutation| {
        let terms = Terms { depends_on: vec![OperationId::parse(parent).expect("an id")], ..Terms::default() };
        Mutation { terms: Some(Box::new(terms)), ..mutation }
    };
    let results = push(
        &store,
        1,
        vec![
            create("op-1", "a-1"),
            made_by(2, create("op-1", "a-2")),
            made_by(2, depends("op-1", create("op-2", "a-3"))),
            made_by(3, depends("op-1", create("op-2", "a-4"))),
        ],
    )
    .await;
    use IntentStatus::{Applied, Deferred};
    assert_eq!(results.iter().map(|result| result.status).collect::<Vec<_>>(), [Applied, Applied, Applied, Deferred]);
    let rows = page(&store, None, 10, false).await.rows.to_vec();
    let makers: Vec<_> = rows.iter().map(|row| row.client_id.clone()).collect();
    assert_eq!(makers, [Some(client(1)), Some(client(2)), Some(client(2))]);
    let own = push(&store, 2, vec![create("op-1", "a-2")]).await;
    assert!(own[0].replayed, "it is remembered under the key of the device that made it");
    assert!(store.verify().await.expect("verified").is_sound());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_key_and_used_nonces_survive_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = store(dir.path()).await;
    let registration = |public_key| ClientRegistration {
        client_id: None,
        principal: "u9".to_owned(),
        platform: None,
        app_version: None,
        schema_version: None,
        scopes: vec![scope("site:a")],
        simulated: false,
        public_key,
    };
    first.sync().client_register(registration(Some([7; 32])), client(9), NOW).await.expect("registered");
    first.sync().client_register(registration(None), client(9), NOW).await.expect("registered again");
    let now_s = NOW.0 / 1_000;
    let rows = vec![
        (client(9), "old".to_owned(), now_s - 1),
        (client(9), "n-1".to_owned(), now_s + 10),
        (client(8), "x".to_owned(), now_s + 10),
    ];
    first.sync().nonces_put(rows, NOW).await.expect("kept");
    first.close().await.expect("closes");
    let second = store(dir.path()).await;
    let known = second.sync().client(&client(9)).expect("registered");
    assert_eq!(known.public_key.as_deref(), Some(&[7; 32]));
    assert_eq!(second.sync().nonces_list(NOW, 10).await.expect("listed"), [(client(9), "n-1".to_owned(), now_s + 10)]);
    assert_eq!(second.sync().nonces_list(NOW.plus(11_000), 10).await.expect("listed"), []);
    second.close().await.expect("closes");
}
