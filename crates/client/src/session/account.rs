//! Registering, and renewing tokens: once on a refusal, then with the enrolment token, then not at all.

use rand::RngCore;
use serde_json::{Value, json};
use tidewatch_domain::time::{Millis, SECOND_MS};

use super::{Action, Answer, Client, Error, Handled, InFlight};
use crate::journal::Journal;
use crate::link::Stop;
use crate::state::{Account, Event};
use crate::wire::{Failure, Purpose};

/// Where tokens are renewed.
const REFRESH_PATH: &str = "/clients/token";
/// Tokens are renewed this long before they end.
const RENEW_EARLY_MS: i64 = 30 * SECOND_MS;

impl<J: Journal> Client<J> {
    /// The request that has to go before any other, if one has to.
    pub(super) fn account_request(&mut self, now: Millis, rng: &mut dyn RngCore) -> Result<Option<Action>, Error> {
        let ending = |account: &Account| now.plus(RENEW_EARLY_MS).0 >= account.access_until_ms;
        let (purpose, path, body) = match &self.state.account {
            Some(account) if !self.refresh_due && !ending(account) => return Ok(None),
            Some(Account { refresh_token: Some(token), .. }) => {
                (Purpose::Refresh, REFRESH_PATH, json!({ "refresh_token": token }))
            }
            _ if self.config.enrolment_token.is_none() => {
                self.link.stop = Some(Stop::NeedsSignIn);
                return Ok(Some(Action::Stopped(Stop::NeedsSignIn)));
            }
            _ => (Purpose::Register, "/clients", self.registration(now, rng)?),
        };
        self.in_flight = Some(InFlight { purpose, operations: Vec::new(), since: None, reports: 0 });
        Ok(Some(self.request(purpose, path.to_owned(), Some(body.to_string()))))
    }

    fn registration(&mut self, now: Millis, rng: &mut dyn RngCore) -> Result<Value, Error> {
        let client_id = self.client_id(now, rng)?;
        let config = &self.config;
        let mut body = json!({
            "client_id": client_id, "principal": config.principal, "platform": config.platform,
            "app_version": config.app_version, "schema_version": config.schema_version, "simulated": config.simulated,
        });
        if !config.scopes.is_empty() {
            body["scopes"] = json!(config.scopes);
        }
        Ok(body)
    }

    pub(super) fn account_answer(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, body, took_ms, now, .. } = answer;
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let token = text("access_token").filter(|_| (200..300).contains(&status));
        let Some(access_token) = token else {
            return self.account_refused(answer, rng);
        };
        let client_id = text("client_id").or_else(|| self.state.client_id.clone()).expect("a registration names its client");
        let seconds = body.get("access_expires_in_s").and_then(Value::as_i64).unwrap_or(3_600);
        let access_until_ms = now.plus(seconds.saturating_mul(SECOND_MS)).0;
        let snapshots = match flight.purpose {
            Purpose::Register => body.pointer("/limits/snapshot_rows_min").is_some(),
            _ => self.state.account.as_ref().is_some_and(|account| account.snapshots),
        };
        let refresh_token = text("refresh_token");
        self.record(Event::Account(Account { client_id, access_token, access_until_ms, refresh_token, snapshots }))?;
        self.refresh_due = false;
        self.link.succeeded(took_ms);
        Ok(Handled::default())
    }

    fn account_refused(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Result<Handled, Error> {
        let Answer { flight, status, .. } = answer;
        if flight.purpose == Purpose::Refresh && matches!(status, 400 | 401) {
            self.link.token_errors += 1;
            let account = self.state.account.clone().expect("only an account is renewed");
            self.record(Event::Account(Account { refresh_token: None, ..account }))?;
        }
        Ok(self.refused(answer, rng))
    }

    /// A request was answered 401: renew once; if the new token is refused as well, back off.
    pub(super) fn token_refused(&mut self, answer: Answer<'_>, rng: &mut dyn RngCore) -> Handled {
        let Answer { flight, body, now, .. } = answer;
        self.link.token_errors += 1;
        self.refresh_due = true;
        let error = Failure::of_problem(body, Some(401));
        if self.just_refreshed {
            self.just_refreshed = false;
            return self.failed(flight, now, error, None, rng);
        }
        self.just_refreshed = true;
        Handled { failed: Some(error.code), ..Handled::default() }
    }
}
