//! The archive of payloads: intents that were refused here, or that devices report, upload or send up before they drop them.

use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState};
use tidewatch_domain::engine::ClientKey;
use tidewatch_domain::ids::{ClientId, OperationId};
use tidewatch_domain::time::Millis;

use super::DrainWork;
use super::journal::NewEvent;
use super::statements::LETTERS_KNOWN;
use super::together::together;
use crate::sync::Sync;
use crate::sync::bulk::write_all;
use crate::sync::queue::Weight;
use crate::sync::sealing::sealed_row;
use crate::sync::statements::DEAD_LETTER_ADD;
use crate::sync::writer::{Job, Writer};
use crate::vault::Vault;
use crate::{Error, Result};

/// An intent on its way into the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLetter {
    /// Operation.
    pub operation_id: OperationId,
    /// Why it is here: code of its refusal, or of the failure that its device gave up on.
    pub code: String,
    /// The same in words.
    pub detail: Option<String>,
    /// The intent as it came, JSON text.
    pub mutation: String,
    /// How it came.
    pub origin: ArchiveOrigin,
    /// Where it stands: poisoned, escrowed, or the state of the action that a device has been told.
    pub state: ArchiveState,
}

impl Sync {
    /// Puts intents of a device into the archive; answers which of them are new there. What is there already stays as it is.
    ///
    /// # Errors
    /// Not found when the device is not registered; busy, or the commit failed.
    pub async fn letters_put(&self, client_id: &ClientId, letters: Vec<NewLetter>, now: Millis) -> Result<Vec<bool>> {
        let bytes = letters.iter().map(|letter| letter.mutation.len()).sum();
        let weight = Weight { lane: 0, intents: letters.len().max(1), bytes };
        let client_id = client_id.clone();
        self.ask(weight, |reply| Job::Drain(Box::new(DrainWork::LettersPut { client_id, letters, now, reply }))).await
    }
}

impl Writer {
    pub(super) async fn letters_report(
        &mut self,
        client_id: &ClientId,
        letters: Vec<NewLetter>,
        now: Millis,
    ) -> Result<Result<Vec<bool>>> {
        let key = self.shared.live().clients.get(client_id).map(|client| client.key);
        match key {
            Some(client) => Ok(Ok(self.letters_add(client, &letters, now).await?)),
            None => Ok(Err(Error::NotFound("device"))),
        }
    }

    /// Puts intents of a device into the archive and notes them in the journal, inside the transaction. Answers which are new.
    pub(crate) async fn letters_add(&mut self, client: ClientKey, letters: &[NewLetter], now: Millis) -> Result<Vec<bool>> {
        let operations: Vec<&str> = letters.iter().map(|letter| letter.operation_id.as_str()).collect();
        let known: Vec<(i64,)> = sqlx::query_as(LETTERS_KNOWN)
            .bind(serde_json::json!(operations).to_string())
            .bind(client.0)
            .fetch_all(&mut self.connection)
            .await?;
        let mut new = vec![true; letters.len()];
        for (at,) in known {
            new[usize::try_from(at).expect("an index of the array")] = false;
        }
        for at in self.answered_of(client, &operations).await? {
            new[at] = false;
        }
        // Given up by a device that had only uploaded it until now.
        let given_up: Vec<(&str, &str, Option<&str>)> = letters
            .iter()
            .filter(|letter| letter.origin == ArchiveOrigin::Reported)
            .map(|letter| (letter.operation_id.as_str(), letter.code.as_str(), letter.detail.as_deref()))
            .collect();
        let given_up = self.handed_given_up(client, &given_up, now).await?;
        let mut seen = std::collections::HashSet::new();
        for (new, letter) in new.iter_mut().zip(letters) {
            *new = *new && seen.insert(letter.operation_id.as_str());
        }
        let vault = &self.shared.vault;
        let here = || letters.iter().zip(&new).filter(|(_, new)| **new).map(|(letter, _)| letter);
        let numbers = self.state.dead_letter_last + 1..;
        let groups = together(numbers.clone().zip(here()).map(|(id, letter)| (id, client, letter.mutation.as_str())));
        let kept = |((id, letter), group)| Ok((id, letter, kept_as(vault, client, letter)?, group));
        let fresh: Vec<Fresh<'_>> = numbers.zip(here()).zip(groups).map(kept).collect::<Result<_>>()?;
        self.state.dead_letter_last += i64::try_from(fresh.len()).expect("a group is small");
        write_all(&mut self.connection, &DEAD_LETTER_ADD, &fresh, |query, (id, letter, (mutation, sealed), group)| {
            let home = if letter.origin == ArchiveOrigin::Escrowed { ArchiveState::Escrowed } else { ArchiveState::Poisoned };
            query
                .bind(*id)
                .bind(client.0)
                .bind(letter.operation_id.to_string())
                .bind(letter.code.clone())
                .bind(letter.detail.clone())
                .bind(mutation.clone())
                .bind(letter.origin.number())
                .bind(letter.state.number())
                .bind(home.number())
                .bind(now.0)
                .bind(now.0)
                .bind(sealed.clone())
                .bind(*group)
        })
        .await?;
        let event = |letter: &NewLetter| NewEvent {
            client,
            operation_id: letter.operation_id.to_string(),
            state: Some(letter.state.mirror_number()),
            pending: None,
            job: None,
            command: None,
            at: now,
            detail: Some(letter.code.clone()),
        };
        for (new, letter) in new.iter_mut().zip(letters) {
            *new = *new || given_up.contains(letter.operation_id.as_str());
        }
        let events: Vec<NewEvent> = letters.iter().zip(&new).filter(|(_, new)| **new).map(|(letter, _)| event(letter)).collect();
        self.events_add(&events).await?;
        if letters.iter().any(|letter| letter.origin != ArchiveOrigin::Refused) {
            self.handed.insert(client);
        }
        Ok(new)
    }
}

/// A letter with its number, with what its row keeps, and with the first of its group.
type Fresh<'a> = (i64, &'a NewLetter, (String, Option<Vec<u8>>), Option<i64>);

/// What a row shows and what it holds sealed: what devices hand over is, what they were refused or have given up is readable.
fn kept_as(vault: &Vault, client: ClientKey, letter: &NewLetter) -> Result<(String, Option<Vec<u8>>)> {
    match letter.origin {
        ArchiveOrigin::Refused | ArchiveOrigin::Reported => Ok((letter.mutation.clone(), None)),
        ArchiveOrigin::Uploaded | ArchiveOrigin::Escrowed => {
            let (left, sealed) = sealed_row(vault, client.0, letter.operation_id.as_str(), &letter.mutation)?;
            Ok((left, Some(sealed)))
        }
    }
}
