//! The value of a tree. What cannot be computed is `null`, and `null` is neither less nor more than anything.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::{Function, Node, Operator};
use crate::json::{INTEGER_MAX, value_order};

type Names<'n, 'a> = &'n dyn Fn(&str) -> Option<&'a Value>;

pub(super) fn value(node: &Node, names: Names<'_, '_>) -> Value {
    match node {
        Node::Value(value) => value.clone(),
        Node::Path(steps) => path(steps, names),
        Node::List(items) => Value::Array(items.iter().map(|item| value(item, names)).collect()),
        Node::Not(inner) => Value::Bool(!truth(inner, names)),
        Node::Negative(inner) => arithmetic(Operator::Subtract, &Value::from(0), &value(inner, names)),
        Node::Call(function, inner) => call(*function, &value(inner, names)),
        Node::Binary(Operator::And, left, right) => Value::Bool(truth(left, names) && truth(right, names)),
        Node::Binary(Operator::Or, left, right) => Value::Bool(truth(left, names) || truth(right, names)),
        Node::Binary(operator, left, right) => binary(*operator, &value(left, names), &value(right, names)),
    }
}

fn truth(node: &Node, names: Names<'_, '_>) -> bool {
    value(node, names) == Value::Bool(true)
}

/// A step into a list is a step into each of its items.
fn path(steps: &[String], names: Names<'_, '_>) -> Value {
    let Some((first, rest)) = steps.split_first() else { return Value::Null };
    names(first).map_or(Value::Null, |value| step(value, rest))
}

fn step(value: &Value, steps: &[String]) -> Value {
    match (value, steps.split_first()) {
        (_, None) => value.clone(),
        (Value::Object(members), Some((name, rest))) => members.get(name).map_or(Value::Null, |member| step(member, rest)),
        (Value::Array(items), Some(_)) => Value::Array(items.iter().map(|item| step(item, steps)).collect()),
        _ => Value::Null,
    }
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Value {
    let ordered = |wanted: &[Ordering]| Value::Bool(value_order(left, right).is_some_and(|found| wanted.contains(&found)));
    match operator {
        Operator::Equal => Value::Bool(same(left, right)),
        Operator::Differs => Value::Bool(!same(left, right)),
        Operator::Less => ordered(&[Ordering::Less]),
        Operator::AtMost => ordered(&[Ordering::Less, Ordering::Equal]),
        Operator::Greater => ordered(&[Ordering::Greater]),
        Operator::AtLeast => ordered(&[Ordering::Greater, Ordering::Equal]),
        Operator::In => Value::Bool(right.as_array().is_some_and(|items| items.iter().any(|item| same(left, item)))),
        _ => arithmetic(operator, left, right),
    }
}

/// 1 and 1.0 are one number.
fn same(left: &Value, right: &Value) -> bool {
    left == right || left.is_number() && value_order(left, right) == Some(Ordering::Equal)
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Value {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        let exact = match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            _ if right != 0 && left % right == 0 => Some(left / right),
            _ => None,
        };
        if let Some(exact) = exact.filter(|exact| (-INTEGER_MAX..=INTEGER_MAX).contains(exact)) {
            return exact.into();
        }
    }
    let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) else { return Value::Null };
    number(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        _ => left / right,
    })
}

/// Numbers that are not finite, and whole numbers that JSON readers do not keep, are `null`.
fn number(number: f64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "2^53 - 1 is exact")]
    let kept = number.abs() <= INTEGER_MAX as f64;
    Number::from_f64(number).filter(|_| kept).map_or(Value::Null, Value::Number)
}

fn call(function: Function, argument: &Value) -> Value {
    match (function, argument) {
        (Function::Sum, Value::Array(items)) => {
            items.iter().fold(Value::from(0), |total, item| arithmetic(Operator::Add, &total, item))
        }
        (Function::Length, Value::Array(items)) => items.len().into(),
        (Function::Length, Value::String(text)) => text.chars().count().into(),
        (Function::Round, Value::Number(found)) if found.is_f64() => round(found.as_f64().unwrap_or_default()),
        (Function::Round, Value::Number(_)) => argument.clone(),
        _ => Value::Null,
    }
}

/// The nearest whole number, halves away from zero.
fn round(found: f64) -> Value {
    match number(found.round()) {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within 2^53 - 1")]
        Value::Number(rounded) => (rounded.as_f64().unwrap_or_default() as i64).into(),
        _ => Value::Null,
    }
}
