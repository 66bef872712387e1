//! The table at the end: what, measured, bar, met or missed.

/// What the product asks for (`product.md` 6).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// Nothing: shown because it explains a neighbour.
    None,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
    /// How it came about: rows, connections, load by others.
    pub(crate) note: String,
}

/// Lines in the order they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// Adds a line, and says it at once: the table itself comes minutes later.
    pub(crate) fn add(&mut self, what: impl Into<String>, measured: f64, unit: &'static str, bar: Bar, note: impl Into<String>) {
        let line = Line { what: what.into(), measured, unit, bar, note: note.into() };
        eprintln!("    {}: {} {} ({})", line.what, number(line.measured), line.unit, line.note);
        self.lines.push(line);
    }

    /// Prints it on standard output.
    pub(crate) fn print(&self) {
        let width = |text: fn(&Line) -> String, head: &str| {
            self.lines.iter().map(|line| text(line).chars().count()).max().unwrap_or(0).max(head.len())
        };
        let (what, measured, bar) = (width(|line| line.what.clone(), "what"), width(value, "measured"), width(bar, "bar"));
        println!("{:<what$}  {:>measured$}  {:>bar$}  {:<6}  how", "what", "measured", "bar", "");
        for line in &self.lines {
            println!(
                "{:<what$}  {:>measured$}  {:>bar$}  {:<6}  {}",
                line.what,
                value(line),
                self::bar(line),
                verdict(line),
                line.note
            );
        }
        let missed = self.lines.iter().filter(|line| verdict(line) == "MISSED").count();
        let bars = self.lines.iter().filter(|line| !matches!(line.bar, Bar::None)).count();
        println!("\n{} of {bars} bars met, {missed} missed", bars - missed);
    }
}

fn value(line: &Line) -> String {
    format!("{} {}", number(line.measured), line.unit)
}

fn bar(line: &Line) -> String {
    match line.bar {
        Bar::AtLeast(bar) => format!("≥ {} {}", number(bar), line.unit),
        Bar::AtMost(bar) => format!("≤ {} {}", number(bar), line.unit),
        Bar::None => String::new(),
    }
}

fn verdict(line: &Line) -> &'static str {
    let met = match line.bar {
        Bar::AtLeast(bar) => line.measured >= bar,
        Bar::AtMost(bar) => line.measured <= bar,
        Bar::None => return "",
    };
    if met { "met" } else { "MISSED" }
}

/// `12,345`, `48.3`, `1.25`: three digits that mean something.
pub(crate) fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 1_000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
