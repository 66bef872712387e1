//! Staff, sessions and tokens on a real file.

use super::*;
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::role::Role;
use tidewatch_domain::time::Millis;

const NOW: Millis = Millis(1_700_000_000_000);

async fn console() -> (tempfile::TempDir, Console) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let console = Console::open(dir.path(), &StoreOptions::new(NOW, 7)).await.expect("opens");
    (dir, console)
}

fn user(name: &str) -> UserRow {
    UserRow { name: name.to_owned(), role: Role::Operator, password: "phc".to_owned(), created: NOW }
}

fn session(id: &str, user: &str, expires_ms: i64) -> SessionRow {
    SessionRow { id: id.to_owned(), data: format!(r#"{{"user":"{user}"}}"#), expires_ms }
}

fn pair(client_id: &ClientId, tag: u8) -> DeviceTokenRow {
    DeviceTokenRow {
        client_id: client_id.clone(),
        principal: "ward-3".to_owned(),
        scopes: vec![Scope::parse("building:42").expect("valid")],
        access_hash: [tag; 32],
        access_expires: NOW.plus(1_000),
        refresh_hash: [tag + 1; 32],
        refresh_expires: NOW.plus(10_000),
        previous_works: false,
        revoked: None,
    }
}

fn device() -> ClientId {
    ClientId::parse("0192f0c1-7b1e-7c3a-9d2e-3f4a5b6c7d8e").expect("valid")
}

#[tokio::test]
async fn the_first_user_is_added_only_when_there_is_none() {
    let (_dir, console) = console().await;
    assert!(console.user_insert(&user("maya"), true).await.expect("added"));
    assert!(!console.user_insert(&user("noor"), true).await.expect("answered"));
    assert!(matches!(console.user_insert(&user("maya"), false).await, Err(Error::Constraint(_))));
    assert_eq!(console.users_list(10).await.expect("listed"), vec![user("maya")]);
}

#[tokio::test]
async fn a_new_password_and_a_removal_end_the_sessions_of_that_user_alone() {
    let (_dir, console) = console().await;
    for name in ["maya", "noor"] {
        console.user_insert(&user(name), false).await.expect("added");
        console.session_save(&session(name, name, NOW.0 + 1)).await.expect("saved");
    }
    console.user_password_set("maya", "other").await.expect("set");
    assert_eq!(console.session_view("maya", NOW).await.expect("read"), None);
    assert_eq!(console.session_view("noor", NOW).await.expect("read"), Some(session("noor", "noor", NOW.0 + 1)));
    console.user_delete("noor").await.expect("removed");
    assert_eq!(console.session_view("noor", NOW).await.expect("read"), None);
    assert!(matches!(console.user_delete("noor").await, Err(Error::NotFound("user"))));
}

#[tokio::test]
async fn a_session_ends_at_its_time_and_an_id_is_given_once() {
    let (_dir, console) = console().await;
    assert!(console.session_insert(&session("a", "maya", NOW.0)).await.expect("added"));
    assert!(!console.session_insert(&session("a", "eve", NOW.0 + 9)).await.expect("answered"));
    assert_eq!(console.session_view("a", Millis(NOW.0 - 1)).await.expect("read"), Some(session("a", "maya", NOW.0)));
    assert_eq!(console.session_view("a", NOW).await.expect("read"), None);
    console.session_save(&session("b", "maya", NOW.0 + 1)).await.expect("saved");
    assert_eq!(console.sessions_purge(NOW).await.expect("purged"), 1);
    assert!(console.session_view("b", NOW).await.expect("read").is_some());
}

#[tokio::test]
async fn the_refresh_token_before_the_current_one_works_until_the_pair_is_used() {
    let (_dir, console) = console().await;
    assert!(console.device_tokens_put(&pair(&device(), 10), NOW).await.expect("put"));
    let next = |tag: u8| ([tag; 32], NOW.plus(1_000), [tag + 1; 32], NOW.plus(10_000));
    let rotated = RefreshUse::Rotated(device());
    assert_eq!(console.device_tokens_rotate(&[11; 32], next(20), NOW).await.expect("rotated"), rotated);
    // The answer was lost; the device asks again with what it has.
    assert_eq!(console.device_tokens_rotate(&[11; 32], next(30), NOW).await.expect("rotated"), rotated);
    assert_eq!(console.device_tokens_by_access(&[20; 32]).await.expect("read"), None);
    let current = console.device_tokens_by_access(&[30; 32]).await.expect("read").expect("there");
    assert!(current.previous_works);
    console.device_tokens_confirm(&[30; 32]).await.expect("confirmed");
    assert_eq!(console.device_tokens_rotate(&[11; 32], next(40), NOW).await.expect("answered"), RefreshUse::Unknown);
    assert_eq!(console.device_tokens_rotate(&[31; 32], next(40), NOW.plus(10_000)).await.expect("answered"), RefreshUse::Expired);
}

#[tokio::test]
async fn a_revoked_device_gets_no_new_pair_and_the_revision_moves() {
    let (_dir, console) = console().await;
    console.device_tokens_put(&pair(&device(), 10), NOW).await.expect("put");
    let before = console.auth_revision().await.expect("read");
    console.device_tokens_revoke(&device(), NOW).await.expect("revoked");
    assert!(console.auth_revision().await.expect("read") > before);
    assert!(console.device_tokens_revoked(&device()).await.expect("read"));
    assert!(!console.device_tokens_put(&pair(&device(), 50), NOW).await.expect("answered"));
    assert_eq!(console.device_tokens_by_access(&[50; 32]).await.expect("read"), None);
    assert_eq!(
        console.device_tokens_rotate(&[11; 32], ([1; 32], NOW, [2; 32], NOW), NOW).await.expect("answered"),
        RefreshUse::Unknown
    );
}

#[tokio::test]
async fn a_token_is_found_by_its_hash_and_stays_listed_when_revoked() {
    let (_dir, console) = console().await;
    let row = TokenRow {
        name: "ci".to_owned(),
        role: Some(Role::Viewer),
        scopes: Vec::new(),
        created: NOW,
        created_by: "user:maya".to_owned(),
        revoked: None,
    };
    console.token_insert(&TokenInsert { row: row.clone(), hash: [9; 32] }).await.expect("added");
    assert_eq!(console.token_by_hash(&[9; 32]).await.expect("read"), Some(row.clone()));
    console.token_revoke("ci", NOW).await.expect("revoked");
    assert!(matches!(console.token_revoke("ci", NOW).await, Err(Error::NotFound("token"))));
    assert_eq!(console.tokens_list(10).await.expect("listed"), vec![TokenRow { revoked: Some(NOW), ..row }]);
    assert_eq!(console.verify().await.expect("verified"), Vec::<String>::new());
}
