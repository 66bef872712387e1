//! State of the device table in its URL: `?filter=&sort=&after=&before=&rows=&columns=`, defaults left out.

use tidewatch_domain::fleet::DeviceSort;
use tidewatch_domain::page::Position;

use crate::pages::params::{self, BadParam, ListState, Params};

/// A column of the device table, and of its export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// Health and contact.
    Status,
    /// Name and owner; always shown, it names the row.
    Device,
    /// Platform and version of the operating system.
    Platform,
    /// Version of the app.
    App,
    /// Rhythm and last contact.
    Contact,
    /// Queue depth.
    Queue,
    /// Age of the oldest operation.
    Oldest,
    /// Drift age and its cause.
    Drift,
    /// Battery charge.
    Battery,
    /// Resilience score.
    Score,
    /// Open conflicts.
    Conflicts,
    /// Changes it has not pulled.
    Behind,
    /// The whole id.
    Id,
}

impl Column {
    /// Every column, in the order of the table.
    pub const ALL: [Self; 13] = [
        Self::Status,
        Self::Device,
        Self::Platform,
        Self::App,
        Self::Contact,
        Self::Queue,
        Self::Oldest,
        Self::Drift,
        Self::Battery,
        Self::Score,
        Self::Conflicts,
        Self::Behind,
        Self::Id,
    ];

    /// Those that show when nobody chose.
    pub const DEFAULT: [Self; 11] = [
        Self::Status,
        Self::Device,
        Self::Platform,
        Self::App,
        Self::Contact,
        Self::Queue,
        Self::Oldest,
        Self::Drift,
        Self::Battery,
        Self::Score,
        Self::Conflicts,
    ];

    /// As the URL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Device => "device",
            Self::Platform => "platform",
            Self::App => "app",
            Self::Contact => "contact",
            Self::Queue => "queue",
            Self::Oldest => "oldest",
            Self::Drift => "drift",
            Self::Battery => "battery",
            Self::Score => "score",
            Self::Conflicts => "conflicts",
            Self::Behind => "behind",
            Self::Id => "id",
        }
    }

    /// As the column head says it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Status => "Status",
            Self::Device => "Device",
            Self::Platform => "Platform",
            Self::App => "App",
            Self::Contact => "Last check-in",
            Self::Queue => "Queue",
            Self::Oldest => "Oldest op",
            Self::Drift => "Drift",
            Self::Battery => "Battery",
            Self::Score => "Score",
            Self::Conflicts => "Conflicts",
            Self::Behind => "Behind",
            Self::Id => "Id",
        }
    }

    /// As the chooser says it, where the head is too short.
    #[must_use]
    pub const fn long_label(self) -> &'static str {
        match self {
            Self::Device => "Device and owner",
            Self::App => "App version",
            Self::Queue => "Queue depth",
            Self::Oldest => "Oldest operation",
            Self::Drift => "Drift age",
            Self::Battery => "Battery charge",
            Self::Score => "Resilience score",
            Self::Conflicts => "Open conflicts",
            Self::Behind => "Changes behind",
            Self::Id => "Whole id",
            other => other.label(),
        }
    }

    /// The order that a click on its head asks for.
    #[must_use]
    pub const fn sort(self) -> Option<DeviceSort> {
        match self {
            Self::Status => Some(DeviceSort::Worst),
            Self::Device => Some(DeviceSort::Name),
            Self::Contact => Some(DeviceSort::Contact),
            Self::Queue => Some(DeviceSort::Queue),
            Self::Drift => Some(DeviceSort::Drift),
            Self::Score => Some(DeviceSort::Score),
            _ => None,
        }
    }

    /// Whether its values line up at the right.
    #[must_use]
    pub const fn is_number(self) -> bool {
        matches!(self, Self::Queue | Self::Oldest | Self::Drift | Self::Score | Self::Conflicts | Self::Behind)
    }
}

/// State of the device table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicesQuery {
    /// Filter, position and length.
    pub list: ListState,
    /// Order.
    pub sort: DeviceSort,
    /// Columns, in the order of [`Column::ALL`]; [`Column::Device`] is always among them.
    pub columns: Vec<Column>,
}

impl Default for DevicesQuery {
    fn default() -> Self {
        Self { list: ListState::default(), sort: DeviceSort::default(), columns: Column::DEFAULT.to_vec() }
    }
}

impl DevicesQuery {
    /// Reads the state; unknown parameters are left alone, bad values are refused by name.
    ///
    /// # Errors
    /// The parameter that cannot be read.
    pub fn parse(params: &Params) -> Result<Self, BadParam> {
        Ok(Self {
            list: ListState::parse(params)?,
            sort: params::parse_word(params, "sort", &DeviceSort::ALL, DeviceSort::as_str)?,
            columns: parse_columns(params)?,
        })
    }

    /// The query string of this state, with its `?`.
    #[must_use]
    pub fn print(&self) -> String {
        params::print(&self.pairs())
    }

    /// The same rows without a page, for an export.
    #[must_use]
    pub fn print_export(&self) -> String {
        Self { list: ListState { filter: self.list.filter.clone(), ..ListState::default() }, ..self.clone() }.print()
    }

    /// What the filter form keeps: order, columns and length.
    #[must_use]
    pub fn kept(&self) -> Vec<(&'static str, String)> {
        let mut pairs = self.with_filter("").pairs();
        pairs.retain(|(key, _)| *key != "filter");
        pairs
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        self.list.print_into(&mut pairs);
        if self.sort != DeviceSort::default() {
            pairs.push(("sort", self.sort.as_str().to_owned()));
        }
        if self.columns != Column::DEFAULT {
            pairs.push(("columns", self.columns.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(",")));
        }
        pairs
    }

    /// This state with another filter, from its first page.
    #[must_use]
    pub fn with_filter(&self, filter: impl Into<String>) -> Self {
        Self { list: self.list.with_filter(filter), ..self.clone() }
    }

    /// This state in another order, from its first page.
    #[must_use]
    pub fn with_sort(&self, sort: DeviceSort) -> Self {
        Self { sort, ..self.with_position(Position::Start) }
    }

    /// This state at another position.
    #[must_use]
    pub fn with_position(&self, position: Position) -> Self {
        Self { list: self.list.with_position(position), ..self.clone() }
    }
}

/// `columns=a,b` from a link, or `columns=a&columns=b` from the chooser's check boxes.
fn parse_columns(params: &Params) -> Result<Vec<Column>, BadParam> {
    let mut chosen = Vec::new();
    for word in params.all("columns").flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty()) {
        let column = Column::ALL.into_iter().find(|column| column.as_str() == word).ok_or_else(|| BadParam {
            field: "columns",
            detail: format!("must be of {}", Column::ALL.map(Column::as_str).join(", ")),
        })?;
        chosen.push(column);
    }
    if chosen.is_empty() {
        return Ok(Column::DEFAULT.to_vec());
    }
    Ok(Column::ALL.into_iter().filter(|column| *column == Column::Device || chosen.contains(column)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(raw: &str) -> DevicesQuery {
        DevicesQuery::parse(&Params::parse(raw)).expect("valid")
    }

    proptest! {
        #[test]
        fn any_state_survives_printing_and_reading(
            filter in "[a-z:<>=*%+&-]{0,12}", sort in 0..DeviceSort::ALL.len(), mask in 0u32..(1 << 13), rows in 1u32..=500, after in "[A-Za-z0-9_.-]{0,12}",
        ) {
            let chosen = Column::ALL.into_iter().enumerate().filter(|(at, column)| mask & (1 << at) != 0 || *column == Column::Device);
            let position = if after.is_empty() { Position::Start } else { Position::After(after) };
            let state = DevicesQuery {
                list: ListState { filter, position, rows },
                sort: DeviceSort::ALL[sort],
                columns: chosen.map(|(_, column)| column).collect(),
            };
            prop_assert_eq!(parse(state.print().trim_start_matches('?')), state);
        }
    }

    #[test]
    fn the_default_state_has_no_query_string() {
        assert_eq!(parse("").print(), "");
        assert_eq!(parse("filter=&sort=worst&rows=50&columns=").print(), "");
    }

    #[test]
    fn check_boxes_and_a_comma_list_mean_the_same_columns() {
        assert_eq!(parse("columns=device&columns=queue&columns=app"), parse("columns=queue,app"));
        assert_eq!(parse("columns=queue").columns, [Column::Device, Column::Queue]);
    }

    #[test]
    fn an_unknown_order_or_column_is_refused_by_name() {
        for (raw, field) in [("sort=age", "sort"), ("columns=queue,age", "columns")] {
            let bad = DevicesQuery::parse(&Params::parse(raw)).expect_err(raw);
            assert_eq!(bad.field, field);
            assert!(bad.detail.contains("queue"), "{} does not name what is allowed", bad.detail);
        }
    }

    #[test]
    fn another_filter_or_order_starts_from_the_first_page_and_keeps_the_rest() {
        let state = parse("filter=platform:ios&after=k1&sort=queue&columns=queue");
        assert_eq!(state.with_filter("health:failing").print(), "?filter=health:failing&sort=queue&columns=device,queue");
        assert_eq!(state.with_sort(DeviceSort::Name).print(), "?filter=platform:ios&sort=name&columns=device,queue");
    }

    #[test]
    fn an_export_has_the_filter_order_and_columns_but_no_page() {
        let state = parse("filter=platform:ios&before=k1&sort=queue&columns=queue&rows=10");
        assert_eq!(state.print_export(), "?filter=platform:ios&sort=queue&columns=device,queue");
    }
}
