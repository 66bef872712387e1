//! What is decided in one go: an item, or all of a group. A group is kept as a whole or not at all, as when it was sent
//! (`docs/adr/0008-what-fails-together.md`), so one of its members that cannot be decided keeps the others back.

use tidewatch_domain::drain::ItemOutcome;
use tidewatch_domain::patch::TEST_NOT_MET;
use tidewatch_domain::sync::Intent;

use super::again::{Decision, Decisions, refused, retry_made};
use super::chunk::{ChunkItem, Letter, Way};

impl Decisions {
    /// The decisions on what is decided in one go, in its order; none for an item that needs none.
    pub(super) fn unit(&mut self, items: &[ChunkItem], letters: &[Option<Letter>]) -> Vec<Option<Decision>> {
        let may = |item: &ChunkItem, letter: &Option<Letter>| letter.is_some_and(|letter| letter.state.allows(item.action));
        if let ([item], [letter]) = (items, letters)
            && item.together.is_none()
        {
            return vec![if may(item, letter) { self.next(item) } else { None }];
        }
        let moved = items.iter().zip(letters).find(|(item, letter)| !may(item, letter));
        let words = match items.iter().find_map(|item| if let Way::Apart(words) = &item.way { Some(words.clone()) } else { None })
        {
            Some(words) => Some(words),
            None => moved.map(|(item, _)| format!("`{}` of the same group has changed since", item.operation_id)),
        };
        if let Some(words) = words {
            return items.iter().map(|_| Some(left_alone(&words))).collect();
        }
        if let Some(spared) = items.iter().find(|item| matches!(item.way, Way::NotMeant(_))) {
            let words = format!("the correction is not meant for `{}` of the same group", spared.operation_id);
            return items.iter().map(|item| Some(not_meant(item).unwrap_or_else(|| left_alone(&words)))).collect();
        }
        if let Some(fails) = items.iter().find(|item| matches!(item.way, Way::Fails(..))) {
            let words = format!("`{}` of the same group failed, so nothing of the group was kept", fails.operation_id);
            return items.iter().map(|_| Some(refused("dependency_failed", words.clone()))).collect();
        }
        self.group(items)
    }

    fn group(&mut self, items: &[ChunkItem]) -> Vec<Option<Decision>> {
        let client = items[0].client;
        let intents: Vec<Intent> = items.iter().filter_map(|item| self.sent(item)).collect();
        assert_eq!(intents.len(), items.len(), "only what is decided belongs to a group");
        let Some(answers) = self.decide_all(client, &intents) else {
            return items.iter().map(|_| Some(refused("device_unknown", "its device is not registered".to_owned()))).collect();
        };
        let made = |((item, sent), answer)| {
            let (item, sent): (&ChunkItem, &Intent) = (item, sent);
            Some(match &item.way {
                Way::Patched { original, copy } if sent.operation_id() == copy.operation_id() => {
                    self.copy_made(client, original, copy, answer)
                }
                _ => retry_made(answer),
            })
        };
        items.iter().zip(&intents).zip(&answers).map(made).collect()
    }

    /// An item as a member of its group. A copy takes the place of its original in it, unless that was sent again and accepted.
    fn sent(&self, item: &ChunkItem) -> Option<Intent> {
        match &item.way {
            Way::Decide(intent) => Some(Intent::clone(intent)),
            Way::Patched { original, copy } => {
                if let Intent::Valid(mutation) = &**original
                    && self.stands(item.client, mutation).is_some()
                {
                    return Some(Intent::clone(original));
                }
                let mut copy = Intent::clone(copy);
                if let (Intent::Valid(mutation), Some(group)) = (&mut copy, original.group()) {
                    mutation.terms.get_or_insert_default().group = Some(group.clone());
                }
                Some(copy)
            }
            Way::OnDevice | Way::Move | Way::Conflict(_) | Way::Fails(..) | Way::NotMeant(_) | Way::Apart(_) => None,
        }
    }
}

/// A member of a group that the correction is not meant for.
fn not_meant(item: &ChunkItem) -> Option<Decision> {
    let Way::NotMeant(words) = &item.way else { return None };
    Some(Decision { outcome: ItemOutcome::Skipped, ..refused(TEST_NOT_MET, words.clone()) })
}

/// A member of a group of which not everything can be decided.
fn left_alone(words: &str) -> Decision {
    Decision { outcome: ItemOutcome::Skipped, ..refused("group_apart", words.to_owned()) }
}
