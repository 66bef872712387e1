//! Identifiers. Each is a newtype that can only be made through its rule (`protocol.md` 2.2), so a value of the type is valid.

use std::fmt;

/// An identifier broke its rule. Names the kind of identifier and the rule, never the offending text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct IdError {
    /// Which identifier, as the wire names it.
    pub what: &'static str,
    /// The rule it broke, in words.
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Checks the rule and wraps the text.
            ///
            /// # Errors
            /// [`IdError`] when the text breaks the rule.
            pub fn parse(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                Self::check(&text)?;
                Ok(Self(text))
            }

            /// Checks the rule only.
            ///
            /// # Errors
            /// [`IdError`] when the text breaks the rule.
            pub fn check(text: &str) -> Result<(), IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(()) } else { Err(IdError { what: $what, rule: $rule }) }
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, without a copy.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn all(text: &str, max: usize, ok: fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= max && text.bytes().all(ok)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

text_id!(
    /// One local database instance: the device. A wiped local store takes a new one.
    ClientId, "client_id", "a lower-case UUID", is_uuid
);
text_id!(
    /// One intent, frozen when it enters a device's outbox.
    OperationId, "operation_id", "1 to 64 characters of A-Z a-z 0-9 . _ : -",
    |t| all(t, 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
);
text_id!(
    /// What a retry repeats; by default the operation id.
    IdempotencyKey, "idempotency_key", "1 to 128 characters of A-Z a-z 0-9 . _ : -",
    |t| all(t, 128, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
);
text_id!(
    /// Consecutive intents that commit or fail together.
    GroupName, "group", "1 to 64 characters of A-Z a-z 0-9 . _ : -",
    |t| all(t, 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
);
text_id!(
    /// One record of a collection; the alphabet is the one that WatermelonDB accepts.
    RecordId, "record_id", "1 to 64 characters of A-Z a-z 0-9 _ . -",
    |t| all(t, 64, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
);
text_id!(
    /// A configured collection.
    CollectionName, "collection", "a lower-case letter, then up to 62 of a-z 0-9 _",
    |t| all(t, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') && t.as_bytes()[0].is_ascii_lowercase()
);
text_id!(
    /// Unit of permission, of subscription and later of sharding: `global` or `type:id`.
    Scope, "scope", "`global` or `type:id`, at most 128 characters of A-Z a-z 0-9 _ . -",
    |t| t == "global" || t.len() <= 128 && t.split_once(':').is_some_and(|(kind, id)| {
        all(kind, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && all(id, 120, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    })
);

impl Scope {
    /// The scope in which a device finds what is granted to it and revoked from it; every device of the principal reads its own
    /// rows there. A name that does not fit into a scope, or that looks like such a stand-in, is stood for by its hash.
    #[must_use]
    pub fn of_principal(principal: &str) -> Self {
        let plain = principal.len() <= 64 && !principal.starts_with("x-");
        let named = plain.then(|| Self::parse(format!("principal:{principal}")).ok()).flatten();
        named.unwrap_or_else(|| {
            let hash = crate::digest::content_hash(Some(principal));
            let short: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
            Self(format!("principal:x-{short}"))
        })
    }

    /// The scope in which every device finds that collections are configured anew.
    #[must_use]
    pub fn of_collections() -> Self {
        Self("system:collections".to_owned())
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// Position in the log; 1 is the genesis row.
    Seq(i64)
);
number!(
    /// Version of a record: +1 per committed change; identifies exactly one content.
    Version(i64)
);

/// Incarnation of the store: 16 hex digits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Reads the 16 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == 16 && lower).then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_principal_has_a_scope_of_its_own() {
        let of = |principal: &str| Scope::of_principal(principal).into_string();
        assert_eq!(of("u_9"), "principal:u_9");
        for odd in ["owner of 3", "", "x-0", &"a".repeat(65), "é"] {
            let scope = of(odd);
            assert!(scope.starts_with("principal:x-") && scope.len() == 44, "{scope}");
            assert!(Scope::parse(scope).is_ok());
        }
        assert_ne!(of("owner of 3"), of("owner of 4"));
        assert!(Scope::parse(Scope::of_collections().into_string()).is_ok());
    }
}
