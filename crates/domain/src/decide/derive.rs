//! Fields that follow from others, such as totals.

use serde_json::Value;

use crate::expr::Expr;
use crate::sync::Body;

/// Computes derived fields in order; one that has no value is removed.
pub(super) fn derived(derive: &[(String, Expr)], image: &mut Body) {
    for (name, expr) in derive {
        match expr.value(&|name| image.get(name)) {
            Value::Null => image.remove(name),
            value => image.insert(name.clone(), value),
        };
    }
}
