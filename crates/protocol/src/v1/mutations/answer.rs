//! The text of an answer to a batch, as [`PushAnswered`] would be written, without making one: nearly every intent is simply
//! applied, and its answer is five members.

use tidewatch_domain::sync::{IntentResult, IntentStatus};

use super::{MutationResult, PushAnswered};
use crate::v1::written::{number_write, text_member};

/// What a plain answer takes, about.
const RESULT_BYTES: usize = 160;

/// The text of the answer `around` with these results; those that `around` has itself stay out.
#[must_use]
pub fn answer_text(around: &PushAnswered, results: &[IntentResult]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512 + results.len() * RESULT_BYTES);
    let bare = PushAnswered { results: Vec::new(), ..around.clone() };
    serde_json::to_writer(&mut out, &bare).expect("an answer is JSON");
    // The results go between the brackets at the end.
    out.truncate(out.len() - 2);
    for (at, result) in results.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if is_plain(result) {
            plain_write(&mut out, result);
        } else {
            serde_json::to_writer(&mut out, &MutationResult::from(result.clone())).expect("an answer is JSON");
        }
    }
    out.extend_from_slice(b"]}");
    out
}

/// Whether an answer says nothing but where its change is.
fn is_plain(result: &IntentResult) -> bool {
    let IntentResult { record, record_id, branch, resolution, conflict_id, warnings, problem, .. } = result;
    let silent = record.is_none() && record_id.is_none() && branch.is_none() && resolution.is_none();
    result.status == IntentStatus::Applied && silent && conflict_id.is_none() && warnings.is_empty() && problem.is_none()
}

fn plain_write(out: &mut Vec<u8>, result: &IntentResult) {
    text_member(out, b"{\"operation_id\":", result.operation_id.as_str());
    out.extend_from_slice(b",\"status\":\"applied\"");
    if result.noop {
        out.extend_from_slice(b",\"noop\":true");
    }
    if result.replayed {
        out.extend_from_slice(b",\"replayed\":true");
    }
    if let Some(seq) = result.seq {
        out.extend_from_slice(b",\"seq\":");
        number_write(out, seq.0);
    }
    if let Some(version) = result.version {
        out.extend_from_slice(b",\"version\":");
        number_write(out, version.0);
    }
    if let Some(hlc) = &result.hlc {
        text_member(out, b",\"hlc\":", hlc);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use tidewatch_domain::ids::{OperationId, Seq, Version};
    use tidewatch_domain::sync::IntentProblem;
    use tidewatch_domain::time::Millis;

    use super::*;
    use crate::timestamp::Timestamp;

    fn result(n: i64, status: IntentStatus) -> IntentResult {
        IntentResult {
            operation_id: OperationId::parse(format!("op-{n}")).expect("an id"),
            status,
            noop: false,
            replayed: false,
            seq: Some(Seq(n)),
            version: Some(Version(n % 3 + 1)),
            hlc: Some(format!("0199a3c2f1b00003-odd\"node\" \\ {n}")),
            record: None,
            record_id: None,
            branch: None,
            resolution: None,
            conflict_id: None,
            warnings: Vec::new(),
            problem: None,
        }
    }

    #[test]
    fn the_text_of_an_answer_is_that_of_its_wire_type() {
        let applied = |n| result(n, IntentStatus::Applied);
        let problem = IntentProblem {
            code: "not_found",
            status: 404,
            retryable: false,
            retry_after_ms: None,
            detail: "there is no such record to update".to_owned(),
        };
        let results = vec![
            applied(1),
            IntentResult { noop: true, replayed: true, hlc: None, ..applied(2) },
            IntentResult { seq: None, version: None, hlc: None, problem: Some(problem), ..result(3, IntentStatus::Rejected) },
            IntentResult { warnings: vec!["clock_skew"], ..applied(4) },
            IntentResult { conflict_id: Some("cf_1".to_owned()), ..result(5, IntentStatus::Superseded) },
            IntentResult { record: Some(tidewatch_domain::sync::Body::new()), ..applied(6) },
            IntentResult { seq: None, version: None, hlc: None, ..applied(7) },
        ];
        for results in [results, Vec::new()] {
            let around = PushAnswered {
                protocol: 1,
                epoch: "9f3c1ab27d405e61".to_owned(),
                batch_id: Some("a \"batch\"".to_owned()),
                server_time: Timestamp(Millis(1_795_000_000_123)),
                server_hlc: "0199a3c2f1b00000-srv".to_owned(),
                committed: "v1.9f3c1ab27d405e61.4.00000000.5d1c9b02".to_owned(),
                poll_after_ms: 0,
                results: results.iter().cloned().map(MutationResult::from).collect(),
            };
            let text = String::from_utf8(answer_text(&around, &results)).expect("text");
            assert_eq!(text, serde_json::to_string(&around).expect("JSON"));
        }
    }
}
