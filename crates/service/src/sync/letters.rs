//! What devices have given up on, as they report it: into the archive, and beside the refusals of this server in the mirror.

use std::collections::HashSet;

use tidewatch_domain::drain::{ArchiveOrigin, ArchiveState};
use tidewatch_domain::ids::OperationId;
use tidewatch_domain::sync::{IntentStatus, ReportedLetter, ReportedLetters};
use tidewatch_store::sync::drain::NewLetter;

use crate::fleet::Contact;
use crate::{Cx, Result, Service};

impl Service {
    /// Keeps dead letters of the acting device, each once: what is kept already stays as it is. What the log has an answer for that is no
    /// refusal is not kept: the device gave up on something that came through.
    ///
    /// # Errors
    /// Forbidden unless a device; overloaded; as the store.
    pub async fn dead_letters_report(&self, cx: &Cx, letters: Vec<ReportedLetter>) -> Result<ReportedLetters> {
        let device = self.device(cx)?;
        let operations: Vec<OperationId> = letters.iter().map(|letter| letter.operation_id.clone()).collect();
        let answers = self.store.sync().mutations_status(&device.client_id, &operations).await?;
        let through = |status: IntentStatus| status.is_final() && status != IntentStatus::Rejected;
        let settled: HashSet<OperationId> =
            answers.into_iter().filter(|answer| through(answer.status)).map(|answer| answer.operation_id).collect();
        let (settled, open): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| settled.contains(&letter.operation_id));
        let new = self.store.sync().letters_put(&device.client_id, open.iter().map(archived).collect(), cx.now).await?;
        let kept: Vec<ReportedLetter> = open.into_iter().zip(&new).filter(|(_, new)| **new).map(|(letter, _)| letter).collect();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let told = ReportedLetters {
            accepted: count(kept.len()),
            duplicates: count(new.len() - kept.len()),
            settled: settled.into_iter().map(|letter| letter.operation_id).collect(),
        };
        let letters = kept.into_iter().map(|letter| ReportedLetter { mutation: String::new(), ..letter }).collect();
        self.contact_note(&device.client_id, cx.now, Contact::LettersReported { letters });
        Ok(told)
    }
}

fn archived(letter: &ReportedLetter) -> NewLetter {
    NewLetter {
        operation_id: letter.operation_id.clone(),
        code: letter.error.code.clone(),
        detail: letter.error.message.clone(),
        mutation: letter.mutation.clone(),
        origin: ArchiveOrigin::Reported,
        state: ArchiveState::Poisoned,
    }
}
