//! The three kinds of files, written piece by piece: CSV with a head line, one JSON array, or one JSON object a line.

use serde_json::{Map, Value};
use tidewatch_domain::manifest::Tally;

use super::cell::{Cell, write_csv_line};
use super::table::Header;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Csv,
    Json,
    Ndjson,
}

/// Turns rows into text. Knows whether it has begun.
#[derive(Debug)]
pub(crate) struct Writer {
    kind: Kind,
    header: Header,
    begun: bool,
}

impl Writer {
    /// A writer for a file's ending; `None` for an ending there is no kind for.
    pub(crate) fn new(ending: &str, header: Header) -> Option<Self> {
        let kind = match ending {
            "csv" => Kind::Csv,
            "json" => Kind::Json,
            "ndjson" => Kind::Ndjson,
            _ => return None,
        };
        Some(Self { kind, header, begun: false })
    }

    /// Media type.
    pub(crate) const fn content_type(&self) -> &'static str {
        match self.kind {
            Kind::Csv => "text/csv; charset=utf-8; header=present",
            Kind::Json => "application/json",
            Kind::Ndjson => "application/x-ndjson",
        }
    }

    /// Text of these rows, with what comes before the first.
    pub(crate) fn rows(&mut self, rows: &[Vec<Cell>]) -> String {
        let mut out = String::new();
        if !self.begun && self.kind == Kind::Csv {
            let names: Vec<Cell> = self.header.iter().map(|name| Cell::from(*name)).collect();
            write_csv_line(&names, &mut out);
            self.begun = true;
        }
        for row in rows {
            match self.kind {
                Kind::Csv => write_csv_line(row, &mut out),
                Kind::Json => out.push_str(if self.begun { ",\n" } else { "[\n" }),
                Kind::Ndjson => {}
            }
            if self.kind != Kind::Csv {
                out.push_str(&self.object(row).to_string());
            }
            if self.kind == Kind::Ndjson {
                out.push('\n');
            }
            self.begun = true;
        }
        out
    }

    /// What comes after the last row, when this was counted before it.
    pub(crate) fn close(&self, before: &Tally) -> String {
        match (self.kind, self.begun) {
            (Kind::Json, true) => "\n]\n".to_owned(),
            (Kind::Json, false) => "[]\n".to_owned(),
            (Kind::Ndjson, _) => before.manifest().line(),
            (Kind::Csv, _) => String::new(),
        }
    }

    fn object(&self, row: &[Cell]) -> Value {
        Value::Object(self.header.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), cell.to_json())).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidewatch_domain::manifest::Manifest;

    use super::*;

    fn written(ending: &str, pages: &[Vec<Vec<Cell>>]) -> String {
        let mut writer = Writer::new(ending, vec!["id", "name"]).expect("a known ending");
        let (mut out, mut tally) = (String::new(), Tally::default());
        for page in pages {
            let text = writer.rows(page);
            tally.add(text.as_bytes(), page.len() as u64);
            out.push_str(&text);
        }
        out + &writer.close(&tally)
    }

    fn row(id: i64, name: &str) -> Vec<Cell> {
        vec![Cell::from(id), Cell::from(name)]
    }

    #[test]
    fn pages_join_into_one_file_of_each_kind() {
        let pages = [vec![row(1, "a"), row(2, "=b")], vec![], vec![row(3, "c,d")]];
        assert_eq!(written("csv", &pages), "id,name\r\n1,a\r\n2,'=b\r\n3,\"c,d\"\r\n");
        let expected = json!([{"id": 1, "name": "a"}, {"id": 2, "name": "=b"}, {"id": 3, "name": "c,d"}]);
        assert_eq!(serde_json::from_str::<Value>(&written("json", &pages)).expect("valid JSON"), expected);
        let ndjson = written("ndjson", &pages);
        let manifest = Manifest::check(&ndjson).expect("whole");
        assert_eq!(manifest.count, 3);
        let rows = ndjson.strip_suffix(&manifest.line()).expect("the last line").lines();
        let rows: Vec<Value> = rows.map(|line| serde_json::from_str(line).expect("valid JSON")).collect();
        assert_eq!(Value::from(rows), expected);
    }

    #[test]
    fn an_empty_export_is_still_a_valid_file() {
        assert_eq!(written("csv", &[vec![]]), "id,name\r\n");
        assert_eq!(written("json", &[vec![]]), "[]\n");
        assert_eq!(written("ndjson", &[vec![]]), Tally::default().manifest().line());
    }

    #[test]
    fn an_unknown_ending_has_no_writer() {
        assert!(Writer::new("xlsx", vec!["id"]).is_none());
    }
}
