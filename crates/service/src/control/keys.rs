//! The keys that sign commands. A command is signed when it is handed over, so the newest key signs everything that is open, and a
//! rotation waits for nobody: a device that knows an older key follows the chain of signatures from it.

use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::role::Action;
use tidewatch_domain::time::Millis;
use tidewatch_store::sync::ControlKey;
use tokio::sync::RwLock;

use crate::error::Cause;
use crate::{Actor, Cx, Error, Result, Service};

/// The key that signs now, in memory.
#[derive(Debug, Default)]
pub(crate) struct Signers {
    newest: RwLock<Option<Signer>>,
}

#[derive(Clone)]
struct Signer {
    kid: String,
    n: i64,
    key: SigningKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).field("n", &self.n).finish_non_exhaustive()
    }
}

/// How one key vouches for the next: the bytes are those of the protocol, which this crate does not know.
pub type KeyBytes = fn(kid: &str, public: &[u8; 32], created: Millis) -> Vec<u8>;

impl Service {
    /// Name of the key that signs commands now; the first call of a store makes one.
    ///
    /// # Errors
    /// As the store; no randomness from the system.
    pub async fn control_kid(&self, now: Millis) -> Result<String> {
        Ok(self.signer(now).await?.kid)
    }

    /// Signs with the key of this name; none when another key signs by now.
    ///
    /// # Errors
    /// As [`Service::control_kid`].
    pub async fn control_sign(&self, now: Millis, kid: &str, message: &[u8]) -> Result<Option<[u8; 64]>> {
        let signer = self.signer(now).await?;
        Ok((signer.kid == kid).then(|| signer.key.sign(message).to_bytes()))
    }

    /// Every key, oldest first; the last one signs.
    ///
    /// # Errors
    /// As the store.
    pub async fn control_keys(&self, now: Millis) -> Result<Vec<ControlKey>> {
        self.signer(now).await?;
        Ok(self.store.sync().control_keys().await?)
    }

    /// Makes the next key, which the one before it vouches for. Answers its name.
    ///
    /// # Errors
    /// Forbidden; as the store; a constraint when somebody else rotates at the same time.
    pub async fn control_key_rotate(&self, cx: &Cx, bytes: KeyBytes) -> Result<String> {
        cx.require_admin(Action::ManageTokens)?;
        let before = self.signer(cx.now).await?;
        let key = generated()?;
        let public = key.verifying_key().to_bytes();
        let kid = kid_of(&public);
        let signature = before.key.sign(&bytes(&kid, &public, cx.now)).to_bytes();
        let next = ControlKey {
            kid: kid.clone(),
            n: before.n + 1,
            public,
            created: cx.now,
            signed: Some((before.kid.clone(), signature)),
        };
        let audit = cx.audit("control_key_rotate", format!("control_key:{kid}"), None);
        let added = self.store.sync().control_key_add(next, key.to_bytes(), audit).await?;
        *self.signers.newest.write().await = None;
        if added { Ok(kid) } else { Err(Error::InFlight) }
    }

    async fn signer(&self, now: Millis) -> Result<Signer> {
        if let Some(signer) = &*self.signers.newest.read().await {
            return Ok(signer.clone());
        }
        let mut newest = self.signers.newest.write().await;
        if newest.is_none() && self.store.sync().control_key_secret().await?.is_none() {
            self.first_key(now).await?;
        }
        let (kid, n, secret) = self.store.sync().control_key_secret().await?.ok_or(Error::NotFound("control key"))?;
        let signer = Signer { kid, n, key: SigningKey::from_bytes(&secret) };
        *newest = Some(signer.clone());
        Ok(signer)
    }

    /// The first key of a store. When two come at once, one of them is kept.
    async fn first_key(&self, now: Millis) -> Result<()> {
        let key = generated()?;
        let public = key.verifying_key().to_bytes();
        let kid = kid_of(&public);
        let audit = AuditEntry {
            at: now,
            actor: Actor::System.audit_name(),
            action: "control_key_create",
            subject: Some(format!("control_key:{kid}")),
            before: None,
            after: None,
            trace_id: None,
        };
        let first = ControlKey { kid, n: 1, public, created: now, signed: None };
        self.store.sync().control_key_add(first, key.to_bytes(), audit).await?;
        Ok(())
    }
}

fn generated() -> Result<SigningKey> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| Error::Internal(Cause(Box::new(error))))?;
    Ok(SigningKey::from_bytes(&secret))
}

/// A key is named by what it is.
fn kid_of(public: &[u8; 32]) -> String {
    hex::encode(&Sha256::digest(public)[..8])
}
