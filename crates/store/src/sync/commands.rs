//! What the writer does besides deciding batches: devices, collections, audit rows, rotation of what is remembered.

use std::sync::Arc;

use tidewatch_domain::audit::AuditEntry;
use tidewatch_domain::digest::{Hash, RowHasher, chain_next};
use tidewatch_domain::engine::{ClientKey, CollectionKey, DEDUPE_DAYS, ScopeKey};
use tidewatch_domain::ids::{ClientId, Scope};
use tidewatch_domain::sync::{ClientRegistration, CollectionInfo};
use tidewatch_domain::time::{DAY_MS, Millis};

use super::bulk::write_all;
use super::collections::CollectionDefinition;
use super::live::{Client, Configured, Grants};
use super::statements::{AUDIT_ADD, CLIENT_PUT, COLLECTION_PUT, MEMORY_ROTATE, META_PUT, POLICY_REV_ADD, SCOPE_ADD};
use super::writer::{Job, Pending, Reply, Writer, answer};
use crate::{Error, Result};

impl Writer {
    /// Does one command inside the transaction. An error of the database ends the transaction; a refusal is an answer.
    pub(crate) async fn command(&mut self, job: Job, pending: &mut Pending) -> Result<Box<dyn FnOnce(Option<&Error>) + Send>> {
        match job {
            Job::ClientRegister { registration, client_id, now, reply } => {
                self.client_register(*registration, client_id, now, reply, pending).await
            }
            Job::ClientBlock { client_id, blocked, reply } => {
                self.client_change(client_id, reply, pending, |known| Client { blocked, ..known }).await
            }
            Job::ClientScope { client_id, scope, open, now, reply } => {
                let done = self.client_scope(&client_id, &scope, open, now, pending).await?;
                Ok(answer(reply, done.ok_or(Error::NotFound("device"))))
            }
            Job::ClientRole { client_id, role, rank, reply } => {
                self.client_change(client_id, reply, pending, |known| Client { role, role_rank: rank, ..known }).await
            }
            Job::CollectionsPut { definitions, by, now, reply } => {
                for definition in definitions {
                    self.collection_put(definition, &by, now, pending).await?;
                }
                Ok(answer(reply, Ok(())))
            }
            Job::NoncesPut { nonces, now, reply } => {
                self.nonces_put(&nonces, now).await?;
                Ok(answer(reply, Ok(())))
            }
            Job::AuditAppend { entries, reply } => {
                self.audit_append(&entries).await?;
                Ok(answer(reply, Ok(())))
            }
            Job::Drain(work) => self.drain(*work, pending).await,
            Job::Control(job) => {
                pending.drained |= job.settles();
                pending.told |= job.tells();
                self.control(*job).await
            }
            Job::Snapshot(work) => self.snapshot(*work).await,
            Job::Push { reply, .. } => Ok(answer(reply, Err(Error::Corrupt("a batch is no command".to_owned())))),
        }
    }

    async fn client_register(
        &mut self,
        registration: ClientRegistration,
        client_id: ClientId,
        now: Millis,
        reply: Reply<bool>,
        pending: &mut Pending,
    ) -> Result<Box<dyn FnOnce(Option<&Error>) + Send>> {
        let known = self.client_known(&client_id, pending);
        let (grants, scopes) = self.grants(&registration.scopes, pending).await?;
        let new = known.is_none();
        let key = known.as_ref().map_or_else(
            || {
                self.state.client_last += 1;
                ClientKey(self.state.client_last)
            },
            |known| known.key,
        );
        let client = Client {
            key,
            grants,
            client_id,
            principal: registration.principal,
            platform: registration.platform,
            app_version: registration.app_version,
            schema_version: registration.schema_version,
            scopes,
            simulated: registration.simulated,
            blocked: known.as_ref().is_some_and(|known| known.blocked),
            role: known.as_ref().and_then(|known| known.role.clone()),
            role_rank: known.as_ref().map_or(0, |known| known.role_rank),
            created: known.as_ref().map_or(now, |known| known.created),
            public_key: known
                .as_ref()
                .and_then(|known| known.public_key.clone())
                .or_else(|| registration.public_key.map(Box::new)),
        };
        self.client_write(&client).await?;
        if let Some(known) = &known {
            self.scopes_tell(known, &client, now, pending).await?;
        }
        pending.clients.push(client);
        Ok(answer(reply, Ok(new)))
    }

    async fn client_change(
        &mut self,
        client_id: ClientId,
        reply: Reply<()>,
        pending: &mut Pending,
        change: impl FnOnce(Client) -> Client,
    ) -> Result<Box<dyn FnOnce(Option<&Error>) + Send>> {
        let Some(known) = self.client_known(&client_id, pending) else {
            return Ok(answer(reply, Err(Error::NotFound("device"))));
        };
        let client = change(known);
        self.client_write(&client).await?;
        pending.clients.push(client);
        Ok(answer(reply, Ok(())))
    }

    pub(super) fn client_known(&self, client_id: &ClientId, pending: &Pending) -> Option<Client> {
        let fresh = pending.clients.iter().rev().find(|client| client.client_id == *client_id).cloned();
        fresh.or_else(|| self.shared.live().clients.get(client_id).map(|client| Client::clone(client)))
    }

    pub(super) async fn client_write(&mut self, client: &Client) -> Result<()> {
        let scopes: Vec<&str> = client.scopes.iter().map(Scope::as_str).collect();
        sqlx::query(CLIENT_PUT)
            .bind(client.key.0)
            .bind(client.client_id.to_string())
            .bind(client.principal.clone())
            .bind(client.platform.clone())
            .bind(client.app_version.clone())
            .bind(client.schema_version)
            .bind(serde_json::Value::from(scopes).to_string())
            .bind(i64::from(client.simulated))
            .bind(i64::from(client.blocked))
            .bind(client.role.clone())
            .bind(client.role_rank)
            .bind(client.created.0)
            .bind(client.public_key.as_ref().map(|key| key.to_vec()))
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// The short name of a scope; a new one gets its own.
    pub(super) async fn scope_key(&mut self, scope: &Scope, pending: &mut Pending) -> Result<ScopeKey> {
        let known = self.shared.live().scopes.get(scope).copied();
        let known = known.or_else(|| pending.scopes.iter().find(|(_, fresh)| fresh == scope).map(|(key, _)| *key));
        if let Some(key) = known {
            return Ok(key);
        }
        self.state.scope_last += 1;
        let key = ScopeKey(self.state.scope_last);
        sqlx::query(SCOPE_ADD).bind(key.0).bind(scope.to_string()).execute(&mut self.connection).await?;
        pending.scopes.push((key, scope.clone()));
        Ok(key)
    }

    /// The shared form of a set of scopes; new ones get their short names.
    pub(super) async fn grants(&mut self, scopes: &[Scope], pending: &mut Pending) -> Result<(Grants, Arc<[Scope]>)> {
        let mut sorted = scopes.to_vec();
        sorted.sort();
        sorted.dedup();
        for scope in &sorted {
            self.scope_key(scope, pending).await?;
        }
        let fresh = pending.scopes.iter().any(|(_, scope)| sorted.contains(scope));
        let mut live = self.shared.live.write().expect("no holder of this lock panics");
        if !fresh {
            return live.grants(&sorted);
        }
        let key_of = |scope: &Scope| {
            live.scopes.get(scope).copied().or_else(|| pending.scopes.iter().find(|(_, s)| s == scope).map(|(key, _)| *key))
        };
        let keys = sorted.iter().filter_map(|scope| Some((scope.clone(), key_of(scope)?))).collect();
        Ok((Arc::new(keys), Arc::from(sorted.as_slice())))
    }

    async fn collection_put(
        &mut self,
        definition: CollectionDefinition,
        by: &str,
        now: Millis,
        pending: &mut Pending,
    ) -> Result<()> {
        let (key, known) = {
            let live = self.shared.live();
            let all = || live.collections.iter().chain(&pending.collections);
            let known = all().rfind(|known| known.info.name == definition.name).cloned();
            let last = all().map(|known| known.engine.key.0).max().unwrap_or(0);
            (known.as_ref().map_or(CollectionKey(last + 1), |known| known.engine.key), known)
        };
        let rev = known.as_ref().map_or(1, |known| known.info.policy_rev + i64::from(known.info.policy != definition.policy));
        let info = CollectionInfo {
            name: definition.name,
            schema_min: definition.schema_min,
            schema_current: definition.schema_current,
            policy: definition.policy,
            policy_rev: rev,
            priority: definition.priority,
        };
        if known.as_ref().is_some_and(|known| known.info == info) {
            return Ok(());
        }
        let devices_mind = |known: &Configured| {
            (known.info.policy_rev, known.info.schema_min, known.info.schema_current)
                != (rev, info.schema_min, info.schema_current)
        };
        let changed = known.as_ref().is_some_and(devices_mind);
        let revised = known.is_none_or(|known| known.info.policy_rev != rev);
        self.collection_write(key, &info).await?;
        if revised {
            sqlx::query(POLICY_REV_ADD)
                .bind(key.0)
                .bind(rev)
                .bind(info.policy.clone())
                .bind(by.to_owned())
                .bind(now.0)
                .execute(&mut self.connection)
                .await?;
        }
        let configured = Configured::new(key, info)?;
        if changed {
            self.schema_tell(&configured, now, pending).await?;
        }
        pending.collections.push(configured);
        Ok(())
    }

    async fn collection_write(&mut self, key: CollectionKey, info: &CollectionInfo) -> Result<()> {
        sqlx::query(COLLECTION_PUT)
            .bind(key.0)
            .bind(info.name.to_string())
            .bind(info.schema_min)
            .bind(info.schema_current)
            .bind(info.priority)
            .bind(info.policy.clone())
            .bind(info.policy_rev)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    pub(super) async fn audit_append(&mut self, entries: &[AuditEntry]) -> Result<()> {
        let mut rows: Vec<(i64, Hash, &AuditEntry)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let (last, chain) = self.state.audit;
            let id = last + 1;
            let chain = chain_next(&chain, id, &audit_digest(entry.at, &AuditFacts::of(entry)));
            self.state.audit = (id, chain);
            rows.push((id, chain, entry));
        }
        write_all(&mut self.connection, &AUDIT_ADD, &rows, |query, (id, chain, entry)| {
            query
                .bind(*id)
                .bind(entry.at.0)
                .bind(entry.actor.clone())
                .bind(entry.action)
                .bind(entry.subject.clone())
                .bind(entry.before.clone())
                .bind(entry.after.clone())
                .bind(entry.trace_id.clone())
                .bind(chain.to_vec())
        })
        .await
    }

    /// Drops the older half of what is remembered once the younger half covers the whole window.
    pub(crate) async fn memory_rotate(&mut self, now: Millis) -> Result<()> {
        if now.since(self.state.memory_rotated) < DEDUPE_DAYS * DAY_MS {
            return Ok(());
        }
        for statement in MEMORY_ROTATE {
            sqlx::query(statement).execute(&mut self.connection).await?;
        }
        sqlx::query(META_PUT).bind("dedupe_rotated_ms").bind(now.0.to_string()).execute(&mut self.connection).await?;
        self.state.memory_rotated = now;
        Ok(())
    }
}

/// What the digest of an audit row covers, beside its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuditFacts<'a> {
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    pub(crate) subject: Option<&'a str>,
    pub(crate) before: Option<&'a str>,
    pub(crate) after: Option<&'a str>,
    pub(crate) trace_id: Option<&'a str>,
}

impl<'a> AuditFacts<'a> {
    fn of(entry: &'a AuditEntry) -> Self {
        Self {
            actor: &entry.actor,
            action: entry.action,
            subject: entry.subject.as_deref(),
            before: entry.before.as_deref(),
            after: entry.after.as_deref(),
            trace_id: entry.trace_id.as_deref(),
        }
    }
}

/// Digest of an audit row.
pub(crate) fn audit_digest(at: Millis, facts: &AuditFacts<'_>) -> Hash {
    RowHasher::default()
        .number(at.0)
        .bytes(facts.actor)
        .bytes(facts.action)
        .maybe(facts.subject)
        .maybe(facts.before)
        .maybe(facts.after)
        .maybe(facts.trace_id)
        .finish()
}
