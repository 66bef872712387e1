//! Chart: a figure with the drawing, the neatline under it as time axis, and its table. Without a script the table opens by itself.

use leptos::prelude::*;

use crate::charts::Drawn;

/// A chart with its table.
#[component]
pub fn FleetChart(
    /// Id, unique on the page: live updates find the chart by it.
    id: String,
    /// What is drawn, from [`crate::charts`].
    drawn: Drawn,
    /// Charts of one group share their crosshair.
    group: &'static str,
) -> impl IntoView {
    let Drawn { title, note, finding, option, columns, rows, segments, lines, labels } = drawn;
    let title_id = format!("{id}-title");
    view! {
        <figure class="chart" id=id.clone()>
            <figcaption><b id=title_id.clone()>{title}</b><span>{note}</span><Legend lines/></figcaption>
            <fleet-chart id=format!("{id}-plot") role="img" aria-label=finding data-group=group>
                <script type="application/json" inner_html=json_in_html(&option)></script>
            </fleet-chart>
            <div class="neatline" data-n=segments.to_string()></div>
            <ol class="chart-x" aria-hidden="true">{labels.into_iter().map(|label| view! { <li data-pct=label.pct.to_string()>{label.text}</li> }).collect_view()}</ol>
            <details class="chart-table" id=format!("{id}-table")>
                <summary>"Table"</summary>
                <div class="chart-table-scroll" tabindex="0" role="region" aria-labelledby=title_id.clone()>
                    <table class="table table-mini" aria-labelledby=title_id.clone()>
                        <thead><tr>{columns.into_iter().map(|name| view! { <th scope="col">{name}</th> }).collect_view()}</tr></thead>
                        <tbody>{rows.into_iter().map(|row| view! { <TableRow row/> }).collect_view()}</tbody>
                    </table>
                </div>
            </details>
        </figure>
    }
    .into_any()
}

#[component]
fn Legend(lines: Vec<(String, &'static str)>) -> impl IntoView {
    if lines.is_empty() {
        return ().into_any();
    }
    let item = |(name, token)| view! { <li><i class="swatch" data-line="" data-c=token></i>{name}</li> };
    view! { <ul class="legend">{lines.into_iter().map(item).collect_view()}</ul> }.into_any()
}

#[component]
fn TableRow(row: Vec<String>) -> impl IntoView {
    let mut cells = row.into_iter();
    let head = cells.next();
    view! { <tr><th scope="row">{head}</th>{cells.map(|cell| view! { <td class="num">{cell}</td> }).collect_view()}</tr> }
}

/// JSON text that may stand inside a script element: no `<` survives, so nothing in it can end the element.
#[must_use]
pub fn json_in_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_inside_the_json_can_end_the_script() {
        let json = r#"{"name":"</script><script>alert(1)</script>"}"#;
        let safe = json_in_html(json);
        assert!(!safe.contains('<'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).ok(), serde_json::from_str::<serde_json::Value>(json).ok());
    }
}
