//! What a form that could not do its work leads back with: a word in the address, and its sentences here.

use tidewatch_domain::fleet::Tone;
use tidewatch_service::Error;

/// The word for an error that is not about a field of the form.
#[must_use]
pub fn notice(error: &Error) -> &'static str {
    match error {
        Error::Forbidden | Error::ClientBlocked => "forbidden",
        Error::RoleLimit { .. } => "limit",
        Error::NotFound(_) => "gone",
        Error::Overloaded { .. } | Error::RateLimited { .. } | Error::InFlight => "busy",
        Error::Invalid { field, .. } => field,
        Error::Unauthenticated => "session",
        Error::StorageFull => "disk",
        Error::SetChanged(_) | Error::StateConflict(_) | Error::CommandEnded | Error::CommandUnderWay(_) => "state",
        _ => "failed",
    }
}

/// Tone, heading and sentence of a word; an unknown word has none.
#[must_use]
pub fn words(word: &str) -> Option<(Tone, &'static str, &'static str)> {
    Some(match word {
        "forbidden" => (Tone::Act, "Your role may not do this", "Nothing was done. The button says which role it needs."),
        "limit" => (
            Tone::Act,
            "That is more than your role may drain in one go",
            "Nothing was frozen. Narrow it with a filter, tick 50 at most with what waits behind them, or ask an operator or an admin.",
        ),
        "gone" => (
            Tone::Act,
            "It is not there any more",
            "Nothing was done. A frozen set waits an hour, and only your newest ten wait; an entry may have been answered meanwhile.",
        ),
        "busy" => (Tone::Act, "The store is busy", "Nothing was done. Try again in a moment."),
        "failed" => (Tone::Act, "It could not be done", "Nothing was changed. The fault is ours and has been logged."),
        "disk" => (Tone::Act, "The disk of the server takes nothing", "Nothing was changed. Make room on it, then try again."),
        "session" => (Tone::Watch, "Sign in again", "The session has ended. Nothing was done."),
        "state" => {
            (Tone::Watch, "It had moved on", "Somebody else was faster, or it has ended. The page shows where it stands now.")
        }
        "entry" => (Tone::Watch, "Nothing is selected", "Tick the entries first, or choose all that match."),
        "filter" => (Tone::Act, "The filter could not be read", "Nothing was frozen."),
        "entries" | "selection" => (
            Tone::Act,
            "The selection is too large, empty, or not known as a whole",
            "Nothing was frozen. Narrow it with a filter; where a search in payloads has not seen all of them, tick the entries.",
        ),
        "patch" => {
            (Tone::Act, "The correction could not be read", "It must be a list of JSON Patch operations. Nothing was frozen.")
        }
        "action" => (Tone::Act, "There is no such action", "Nothing was frozen."),
        "remark" => (Tone::Act, "Say why", "A remark of 8 to 500 characters goes into the audit log. Nothing was done."),
        "dependants" => (Tone::Watch, "Choose what becomes of those behind", "Nothing was frozen again."),
        "kind" => (Tone::Watch, "Choose a command", "Nothing was sent."),
        "mode" => (Tone::Act, "There is no such mesh mode", "Nothing was sent."),
        "interval" => {
            (Tone::Act, "The time between two broadcasts does not fit", "It is 1 to 3600 whole seconds. Nothing was sent.")
        }
        "since" => (Tone::Act, "That far back cannot be asked for", "Nothing was sent."),
        "client_id" => (
            Tone::Act,
            "Too many commands wait for this device",
            "Nothing was sent. Cancel some, or wait until the device has picked them up.",
        ),
        "reason" => (Tone::Act, "Say why", "A reason of 8 to 500 characters goes into the audit log. Nothing was sent."),
        "idempotency_key" => {
            (Tone::Watch, "This form was sent for another set", "Nothing was done. Select the entries again to freeze a new set.")
        }
        "count" => (
            Tone::Act,
            "The number of entries could not be read",
            "The field “count” that the form sends along held no number. Nothing was done; what you wrote is kept, so send it once more.",
        ),
        "own" => (Tone::Act, "Nobody approves their own change", "Another product owner or admin has to."),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_that_leads_back_has_words() {
        let errors = [
            Error::Forbidden,
            Error::ClientBlocked,
            Error::RoleLimit { entries: 51, most: 50 },
            Error::NotFound("set"),
            Error::Overloaded { retry_after_ms: 1 },
            Error::RateLimited { retry_after_ms: 1 },
            Error::InFlight,
            Error::Unauthenticated,
            Error::CommandEnded,
            Error::CommandUnderWay(""),
            Error::Invalid { field: "filter", detail: String::new() },
            Error::Invalid { field: "client_id", detail: String::new() },
        ];
        for error in errors {
            assert!(words(notice(&error)).is_some(), "{error:?}");
        }
        assert_eq!(words("<script>"), None);
    }
}
