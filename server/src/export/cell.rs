//! Values of an export, and how CSV and JSON write them. CSV is safe to open in a spreadsheet: a text that would be read as a formula,
//! also behind white space that a spreadsheet drops, is prefixed with an apostrophe. Numbers keep their sign, because only we make them.

use serde_json::Value;
use tidewatch_domain::time::Millis;

/// One value of one row. [`Cell::Missing`] is *not reported* or *none*: empty in CSV, `null` in JSON, never zero.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Nothing known.
    Missing,
    /// Text from anywhere, so also from a device.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A measured number.
    Number(f64),
    /// Yes or no.
    Bool(bool),
    /// Several texts: an array in JSON, joined by spaces in CSV.
    List(Vec<String>),
    /// JSON text that we keep as such.
    Json(String),
}

impl Cell {
    /// JSON form.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Text(text) => Value::from(text.as_str()),
            Self::Int(number) => Value::from(*number),
            Self::Number(number) => Value::from(*number),
            Self::Bool(yes) => Value::from(*yes),
            Self::List(items) => Value::from(items.clone()),
            Self::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        }
    }

    /// Appends the CSV form.
    pub(crate) fn write_csv(&self, out: &mut String) {
        match self {
            Self::Missing => {}
            Self::Text(text) | Self::Json(text) => write_csv_text(text, out),
            Self::Int(number) => out.push_str(&number.to_string()),
            Self::Number(number) if number.is_finite() => out.push_str(&number.to_string()),
            Self::Number(_) => {}
            Self::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
            Self::List(items) => write_csv_text(&items.join(" "), out),
        }
    }
}

/// One line of CSV (RFC 4180), with its CRLF.
pub(crate) fn write_csv_line<'a>(cells: impl IntoIterator<Item = &'a Cell>, out: &mut String) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        cell.write_csv(out);
    }
    out.push_str("\r\n");
}

fn write_csv_text(text: &str, out: &mut String) {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']);
    let quoted = text.contains([',', '"', '\r', '\n']) || text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    if quoted {
        out.push('"');
    }
    if formula {
        out.push('\'');
    }
    for letter in text.chars() {
        if letter == '"' {
            out.push('"');
        }
        out.push(letter);
    }
    if quoted {
        out.push('"');
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<Millis> for Cell {
    fn from(at: Millis) -> Self {
        Self::Text(at.to_string())
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Missing, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(cells: &[Cell]) -> String {
        let mut out = String::new();
        write_csv_line(cells, &mut out);
        out
    }

    /// Reads one line back the way RFC 4180 says.
    fn read_line(line: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut quoted = false;
        let mut letters = line.strip_suffix("\r\n").expect("ends with CRLF").chars().peekable();
        while let Some(letter) = letters.next() {
            let last = cells.last_mut().expect("one at least");
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => last.push(letters.next().expect("peeked")),
                '"' => quoted = !quoted,
                ',' if !quoted => cells.push(String::new()),
                other => last.push(other),
            }
        }
        cells
    }

    #[test]
    fn a_text_that_a_spreadsheet_would_run_is_prefixed() {
        for text in
            ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1", " =1", " \u{a0}@x", "\t", "=HYPERLINK(\"http://x\",\"y\")"]
        {
            let cells = read_line(&line(&[Cell::from(text), Cell::from("b")]));
            assert_eq!(cells, [format!("'{text}"), "b".to_owned()]);
        }
    }

    #[test]
    fn numbers_keep_their_sign_and_missing_is_empty_not_zero() {
        assert_eq!(
            line(&[Cell::Int(-5), Cell::Number(-0.5), Cell::Missing, Cell::Int(0), Cell::Bool(true)]),
            "-5,-0.5,,0,true\r\n"
        );
        assert_eq!(Cell::Missing.to_json(), Value::Null);
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_inside_their_cell() {
        let texts = ["a,b", "say \"hi\"", "two\nlines", " padded "];
        assert_eq!(read_line(&line(&texts.map(Cell::from))), texts);
    }

    proptest! {
        #[test]
        fn no_text_can_leave_its_cell_or_start_a_formula(texts in proptest::collection::vec("\\PC*|[=+@\\-\t\r\n,\"]{0,4}", 1..5)) {
            let cells: Vec<Cell> = texts.iter().map(|text| Cell::from(text.as_str())).collect();
            let read = read_line(&line(&cells));
            prop_assert_eq!(read.len(), texts.len());
            for (got, text) in read.iter().zip(&texts) {
                prop_assert!(!got.trim_start().starts_with(['=', '+', '-', '@']) && !got.starts_with(['\t', '\r', '\n']));
                prop_assert_eq!(got.strip_prefix('\'').filter(|_| !text.starts_with('\'')).unwrap_or(got), text.as_str());
            }
        }
    }
}
