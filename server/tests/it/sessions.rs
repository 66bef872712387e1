//! Signing in and out, what a session is worth, and who may change state with it.

use bytes::Bytes;
use tidewatch_domain::role::Role;
use tidewatch_testkit::TestApp;

#[tokio::test]
async fn signing_in_opens_the_pages_and_signing_out_closes_them() {
    let app = TestApp::new().await;
    let mut maya = app.staff("maya", Role::Operator).await;
    assert_eq!(maya.page("/legend").await.status(), 200);
    let before = maya.clone();
    let out = maya.form("/console/session/sign_out", &[]).await;
    assert_eq!(out.status(), 302);
    assert_eq!(maya.cookie(), None);
    // The old id is worth nothing, even for somebody who kept it.
    assert_eq!(before.page("/legend").await.status(), 303);
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
    let app = TestApp::new().await;
    app.user("maya", Role::Viewer).await;
    let reply = app.anonymous().sign_in("maya", "correct horse battery").await;
    let cookie = reply.header("set-cookie");
    for part in ["__Host-tidewatch=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{part} is missing in {cookie}");
    }
    assert!(!cookie.contains("Domain"));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_told_the_same() {
    let app = TestApp::new().await;
    app.user("maya", Role::Viewer).await;
    let mut visitor = app.anonymous();
    let wrong = visitor.sign_in("maya", "wrong horse battery").await;
    let unknown = visitor.sign_in("nobody", "wrong horse battery").await;
    assert_eq!(wrong.status(), 302);
    assert_eq!(wrong.header("location"), unknown.header("location"));
    assert!(wrong.header("location").contains("notice=wrong"));
    assert_eq!(visitor.cookie(), None);
    assert!(!wrong.header("location").contains("maya"));
}

#[tokio::test]
async fn ten_failures_shut_a_name_out_and_not_the_others() {
    let app = TestApp::new().await;
    app.user("maya", Role::Viewer).await;
    for _ in 0..10 {
        app.anonymous().sign_in("maya", "wrong horse battery").await;
    }
    let right = app.anonymous().sign_in("maya", "correct horse battery").await;
    assert!(right.header("location").contains("notice=often"), "{}", right.header("location"));
    app.staff("noor", Role::Viewer).await;
}

#[tokio::test]
async fn the_session_gets_a_new_id_at_sign_in() {
    let app = TestApp::new().await;
    app.user("maya", Role::Viewer).await;
    let mut maya = app.anonymous();
    maya.sign_in("maya", "correct horse battery").await;
    let planted = maya.cookie().map(str::to_owned);
    // Somebody else signs in with an id that was planted on them.
    app.user("noor", Role::Viewer).await;
    let mut noor = app.anonymous().with_cookie(planted.clone());
    noor.sign_in("noor", "correct horse battery").await;
    assert!(noor.cookie().is_some());
    assert_ne!(noor.cookie().map(str::to_owned), planted);
    assert_eq!(maya.page("/legend").await.status(), 303, "the planted id does not lead into the new session");
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_without_a_request_and_says_so() {
    let app = TestApp::new().await;
    let maya = app.staff("maya", Role::Viewer).await;
    app.state().clock().advance(11 * 3_600_000);
    assert_eq!(maya.page("/legend").await.status(), 200);
    app.state().clock().advance(13 * 3_600_000);
    let reply = maya.page("/devices?q=platform:ios").await;
    assert_eq!(reply.status(), 303);
    assert_eq!(reply.header("location"), "/sign-in?next=/devices%3Fq%3Dplatform:ios&notice=expired");
}

#[tokio::test]
async fn a_stranger_is_led_to_the_form_and_back() {
    let app = TestApp::new().await;
    let reply = app.anonymous().page("/audit").await;
    assert_eq!((reply.status(), reply.header("location")), (303, "/sign-in?next=/audit&notice=expired"));
    app.user("maya", Role::Viewer).await;
    let mut maya = app.anonymous();
    let back = maya
        .form("/console/session/sign_in", &[("name", "maya"), ("password", "correct horse battery"), ("next", "/audit")])
        .await;
    assert_eq!(back.header("location"), "/audit");
    let elsewhere = maya
        .form("/console/session/sign_in", &[("name", "maya"), ("password", "correct horse battery"), ("next", "//evil.test")])
        .await;
    assert_eq!(elsewhere.header("location"), "/");
}

#[tokio::test]
async fn a_removed_user_and_a_new_password_end_the_session_at_once() {
    let app = TestApp::new().await;
    let (maya, noor) = (app.staff("maya", Role::Viewer).await, app.staff("noor", Role::Viewer).await);
    assert_eq!(maya.page("/legend").await.status(), 200);
    app.service().user_delete(&app.state().system_cx(), "maya").await.expect("removed");
    assert_eq!(maya.page("/legend").await.status(), 303);
    app.service().user_password_set(&app.state().system_cx(), "noor", "another long password").await.expect("set");
    assert_eq!(noor.page("/legend").await.status(), 303);
}

#[tokio::test]
async fn a_form_from_another_site_changes_nothing() {
    let app = TestApp::new().await;
    let maya = app.staff("maya", Role::Viewer).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    for from in [
        vec![form, ("sec-fetch-site", "cross-site")],
        vec![form, ("sec-fetch-site", "same-site")],
        vec![form, ("origin", "https://evil.test")],
        vec![form],
    ] {
        assert_eq!(
            maya.post_with("/console/session/sign_out", &from, Bytes::new()).await.refusal(),
            "403 cross_site_refused",
            "{from:?}"
        );
    }
    assert_eq!(maya.page("/legend").await.status(), 200);
    let older_browser =
        maya.post_with("/console/session/sign_out", &[form, ("origin", "https://tidewatch.test")], Bytes::new()).await;
    assert!(older_browser.status() < 400);
    assert_eq!(maya.page("/legend").await.status(), 303);
}

#[tokio::test]
async fn a_page_has_a_strict_policy_with_a_fresh_nonce_and_is_not_stored() {
    let app = TestApp::new().await;
    let maya = app.staff("maya", Role::Viewer).await;
    let (one, two) = (maya.page("/legend").await, maya.page("/legend").await);
    let policy = one.header("content-security-policy");
    for part in [
        "default-src 'self'",
        "script-src 'self' 'nonce-",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(part), "{part} is missing in {policy}");
    }
    assert!(!policy.contains("script-src 'self' 'unsafe-inline'"));
    assert_ne!(policy, two.header("content-security-policy"));
    assert_eq!(one.header("cache-control"), "no-store");
    assert_eq!(one.header("x-content-type-options"), "nosniff");
    assert_eq!(one.header("referrer-policy"), "same-origin");
}

#[tokio::test]
async fn hints_come_when_the_store_moves_and_stop_when_the_user_is_removed() {
    let app = TestApp::new().await;
    let (maya, device) = (app.staff("maya", Role::Viewer).await, app.device("d1").await);
    let mut events = maya.listen("/console/events", &[]).await;
    let first = events.next().await.expect("an event");
    assert_eq!(first.name, "hint");
    device.push_statuses(&[tidewatch_testkit::intent("op-1", "n-1", "create", serde_json::json!({"a": 1}))]).await;
    let second = events.next().await.expect("an event");
    assert_eq!(second.data["head"], app.service().head().0);
    assert!(second.data["head"].as_i64() > first.data["head"].as_i64());
    app.service().user_delete(&app.state().system_cx(), "maya").await.expect("removed");
    device.push_statuses(&[tidewatch_testkit::intent("op-2", "n-2", "create", serde_json::json!({"a": 1}))]).await;
    assert_eq!(events.next().await.expect("an event").name, "bye");
}
