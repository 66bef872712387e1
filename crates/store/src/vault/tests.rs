//! What is sealed opens again, in its own row and with its own key, and nowhere else.

use super::*;

const TEXT: &str = r#"{"operation_id":"op-1","fields":{"note":"größer"}}"#;

fn vault(keys: &[u8]) -> Vault {
    Vault::new(&keys.iter().map(|byte| [*byte; 32]).collect::<Vec<_>>())
}

fn opens(vault: &Vault, client: i64, operation: &str, sealed: &[u8]) -> bool {
    vault.open(client, operation, sealed).is_ok()
}

#[test]
fn what_is_sealed_opens_and_shows_nothing_of_its_text() {
    let vault = vault(&[1]);
    for text in ["", "x", TEXT] {
        let sealed = vault.seal(7, "op-1", text).expect("sealed");
        assert_eq!(vault.open(7, "op-1", &sealed).expect("opens"), text);
        assert_eq!(sealed.len(), HEAD_BYTES + text.len() + 16);
    }
    let (one, two) = (vault.seal(7, "op-1", TEXT).expect("sealed"), vault.seal(7, "op-1", TEXT).expect("sealed"));
    assert_ne!(one, two, "a fresh nonce each time");
    assert!(!one.windows(8).any(|part| TEXT.as_bytes().windows(8).any(|text| text == part)));
}

#[test]
fn what_belongs_to_another_row_does_not_open() {
    let vault = vault(&[1]);
    let sealed = vault.seal(7, "op-1", TEXT).expect("sealed");
    assert!(!opens(&vault, 7, "op-2", &sealed), "of another operation");
    assert!(!opens(&vault, 8, "op-1", &sealed), "of another device");
    assert!(opens(&vault, 7, "op-1", &sealed));
}

#[test]
fn every_byte_that_is_changed_or_missing_is_noticed() {
    let vault = vault(&[1]);
    let sealed = vault.seal(7, "op-1", TEXT).expect("sealed");
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        assert!(!opens(&vault, 7, "op-1", &flipped), "byte {at}");
        assert!(!opens(&vault, 7, "op-1", &sealed[..at]), "cut at {at}");
    }
}

#[test]
fn the_newest_key_seals_and_every_key_opens() {
    let (old, both, other) = (vault(&[1]), vault(&[2, 1]), vault(&[3]));
    let before = old.seal(7, "op-1", TEXT).expect("sealed");
    let after = both.seal(7, "op-1", TEXT).expect("sealed");
    assert!(opens(&both, 7, "op-1", &before) && opens(&both, 7, "op-1", &after));
    assert!(!opens(&old, 7, "op-1", &after));
    let refused = other.open(7, "op-1", &before).expect_err("another key").to_string();
    assert!(refused.contains("op-1") && refused.contains(&hex::encode(old.ids()[0])), "{refused}");
    assert_eq!(both.ids(), [key_id(&[2; 32]), key_id(&[1; 32])]);
    assert_eq!(format!("{old:?}"), format!("[{:?}]", hex::encode(old.ids()[0])), "ids, never keys");
}

#[test]
fn a_file_is_made_once_and_only_its_owner_can_read_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = KeyFile::of(dir.path(), None);
    assert_eq!(file.read().expect("read"), None);
    let made = file.make().expect("made");
    assert_eq!(file.read().expect("read"), Some(made.clone()));
    assert_eq!(file.make().expect("there"), made, "what is there is not written over");
    let names: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").map(|entry| entry.expect("one").file_name()).collect();
    assert_eq!(names, ["escrow.key"], "and nothing beside it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(dir.path().join("escrow.key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let elsewhere = dir.path().join("other.key");
    assert_ne!(KeyFile::of(dir.path(), Some(&elsewhere)).make().expect("made"), made);
    assert!(elsewhere.is_file());
}

#[test]
fn a_file_that_holds_anything_else_than_keys_is_named_with_its_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("escrow.key");
    let read = |text: &str| {
        std::fs::write(&path, text).expect("written");
        KeyFile::of(dir.path(), None).read().map_err(|error| error.to_string())
    };
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    assert_eq!(read(&format!("# words\n{two}\n\n{one}\n")), Ok(Some(vec![[2; 32], [1; 32]])));
    for (text, says) in [("", "holds no key"), ("# words\n", "holds no key"), (&format!("{one}\n0102\n"), "line 2 is no key")] {
        let refused = read(text).expect_err("refused");
        assert!(refused.contains(says) && refused.contains("escrow.key"), "{refused}");
    }
}
