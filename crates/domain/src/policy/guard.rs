//! Guards: conditions on a write, checked before any conflict is decided.

use serde_json::Value;

use super::PolicyError;
use super::read::wrong;
use crate::expr::Expr;
use crate::sync::Body;

/// Most guards of one policy.
const GUARDS_MAX: usize = 50;
/// Most roles that one guard may name.
const ROLES_MAX: usize = 50;
/// What an expression of a guard may read: the record before and after the write, what the write does, and who writes.
const NAMES: [&str; 5] = ["old", "new", "op", "role", "role_rank"];

/// One guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Named in the refusal.
    pub name: String,
    /// What it asks for.
    pub rule: GuardRule,
}

/// What a guard asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuardRule {
    /// A write for which this holds is refused.
    Deny(Expr),
    /// Only these roles may write, whenever the condition holds (or always).
    Role(Vec<String>, Option<Expr>),
    /// A write for which this holds waits for a person.
    RequireApproval(Expr),
}

/// What a guard says about a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuardFinding<'a> {
    /// Refused, by the guard of this name.
    Refused(&'a str),
    /// Waits for a person, by the guard of this name.
    Approval(&'a str),
}

/// A write as guards see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuardCase<'a> {
    /// The record before it; `None` when there is none.
    pub old: Option<&'a Body>,
    /// The record after it, if nothing stood against it; `None` on a delete.
    pub new: Option<&'a Body>,
    /// What it does.
    pub op: &'a str,
    /// Role of the device.
    pub role: Option<&'a str>,
    /// Rank of that role.
    pub rank: i64,
}

/// The first guard that has something against a write. Refusals come before approvals.
pub(crate) fn guards_check<'a>(guards: &'a [Guard], case: GuardCase<'_>) -> Option<GuardFinding<'a>> {
    if guards.is_empty() {
        return None;
    }
    let body = |body: Option<&Body>| body.map_or(Value::Null, |body| Value::Object(body.clone()));
    let names = [
        ("old", body(case.old)),
        ("new", body(case.new)),
        ("op", case.op.into()),
        ("role", case.role.map_or(Value::Null, Value::from)),
        ("role_rank", case.rank.into()),
    ];
    let name = |wanted: &str| names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let refused = guards.iter().find(|guard| match &guard.rule {
        GuardRule::Deny(expr) => expr.holds(&name),
        GuardRule::Role(roles, when) => {
            let asked = when.as_ref().is_none_or(|when| when.holds(&name));
            asked && !case.role.is_some_and(|role| roles.iter().any(|known| known == role))
        }
        GuardRule::RequireApproval(_) => false,
    });
    let waits = |guard: &&Guard| matches!(&guard.rule, GuardRule::RequireApproval(expr) if expr.holds(&name));
    refused
        .map(|guard| GuardFinding::Refused(&guard.name))
        .or_else(|| guards.iter().find(waits).map(|guard| GuardFinding::Approval(&guard.name)))
}

/// Reads `[{"name": …, "deny": "…"}, {"name": …, "role": […], "when": "…"}, {"name": …, "require_approval": true or "…"}]`.
pub(super) fn guards_read(value: Option<&Value>) -> Result<Vec<Guard>, PolicyError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or_else(|| wrong("guards", "must be a list"))?;
    if items.len() > GUARDS_MAX {
        return Err(wrong("guards", format!("has more than {GUARDS_MAX} items")));
    }
    items.iter().enumerate().map(|(at, item)| guard_read(&format!("guards[{at}]"), item)).collect()
}

fn guard_read(at: &str, item: &Value) -> Result<Guard, PolicyError> {
    let members = item.as_object().ok_or_else(|| wrong(at, "must be an object"))?;
    let member = |name: &str| format!("{at}.{name}");
    if let Some(unknown) =
        members.keys().find(|name| !["name", "deny", "role", "when", "require_approval"].contains(&name.as_str()))
    {
        return Err(wrong(&member(unknown), "is not known"));
    }
    let name = members.get("name").and_then(Value::as_str).filter(|name| named(name));
    let name = name.ok_or_else(|| wrong(&member("name"), "must be 1 to 63 of a-z, 0-9 and _"))?;
    let expr = |part: &str, value: &Value| {
        let text = value.as_str().ok_or_else(|| wrong(&member(part), "must be an expression, as a text"))?;
        Expr::parse(text, &NAMES).map_err(|error| wrong(&member(part), format!("cannot be read: {error}")))
    };
    let when = members.get("when").map(|value| expr("when", value)).transpose()?;
    let rule = match (members.get("deny"), members.get("role"), members.get("require_approval")) {
        (None, Some(roles), None) => GuardRule::Role(roles_read(&member("role"), roles)?, when),
        _ if when.is_some() => return Err(wrong(&member("when"), "belongs to a guard by role")),
        (Some(value), None, None) => GuardRule::Deny(expr("deny", value)?),
        (None, None, Some(Value::Bool(true))) => {
            GuardRule::RequireApproval(Expr::parse("true", &[]).expect("a literal is an expression"))
        }
        (None, None, Some(value)) => GuardRule::RequireApproval(expr("require_approval", value)?),
        _ => return Err(wrong(at, "must have exactly one of deny, role and require_approval")),
    };
    Ok(Guard { name: name.to_owned(), rule })
}

fn named(name: &str) -> bool {
    (1..=63).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn roles_read(at: &str, value: &Value) -> Result<Vec<String>, PolicyError> {
    let roles = value.as_array().filter(|roles| (1..=ROLES_MAX).contains(&roles.len()));
    let roles = roles.ok_or_else(|| wrong(at, format!("must be a list of 1 to {ROLES_MAX} roles")))?;
    let role = |role: &Value| role.as_str().map(str::to_owned).ok_or_else(|| wrong(at, "must hold texts"));
    roles.iter().map(role).collect()
}
