//! Colours have one home, `style/tokens.css`: there they are written for day and night and measured for contrast.

use super::tree::{Tree, numbered};
use crate::workspace::Workspace;

const HOME: &str = "style/tokens.css";
const FUNCTIONS: &[&str] = &["rgb(", "rgba(", "hsl(", "hsla(", "hwb(", "lab(", "lch(", "oklab(", "oklch("];
const NAMES: &[&str] =
    &["white", "black", "red", "green", "blue", "gray", "grey", "orange", "yellow", "purple", "silver", "navy"];

/// No colour in styles, scripts or views.
pub(super) fn check(_workspace: &Workspace, tree: &Tree) -> anyhow::Result<Vec<String>> {
    let styles = tree.texts(".css").filter(|(path, _)| path.starts_with("style/") && *path != HOME);
    let in_styles = styles.flat_map(|(path, text)| numbered_values(path, text)).filter(|(_, value)| has_colour(value, true));
    let code = tree
        .texts(".rs")
        .filter(|(path, _)| path.starts_with("app/"))
        .chain(tree.texts(".ts").filter(|(path, _)| path.starts_with("style/")));
    // A browser's own frame takes a colour from a meta element, which knows no tokens.
    let in_code = code
        .flat_map(|(path, text)| numbered(path, text))
        .filter(|(_, line)| !line.contains("theme-color") && has_colour(line, false))
        .map(|(place, line)| (place, line.to_owned()));
    Ok(in_styles.chain(in_code).map(|(place, line)| format!("{place} writes a colour: {}", line.trim())).collect())
}

/// The values of declarations, line by line: selectors such as `#fab` are no colours.
fn numbered_values(path: &str, text: &str) -> Vec<(String, String)> {
    let mut comment = false;
    let mut found = Vec::new();
    for (place, line) in numbered(path, text) {
        let mut code = String::new();
        let mut rest = line;
        while !rest.is_empty() {
            let (before, after) =
                rest.split_once(if comment { "*/" } else { "/*" }).map_or((rest, None), |(before, after)| (before, Some(after)));
            if !comment {
                code.push_str(before);
            }
            let Some(after) = after else { break };
            (rest, comment) = (after, !comment);
        }
        let value = code
            .split_once(": ")
            .map_or_else(|| if code.trim_end().ends_with([';', ',', ')']) { code.as_str() } else { "" }, |(_, value)| value);
        // `a:hover, b: focus {` opens a rule.
        if !value.trim_end().ends_with('{') {
            found.push((place, value.to_owned()));
        }
    }
    found
}

fn has_colour(text: &str, style: bool) -> bool {
    let called =
        FUNCTIONS.iter().any(|function| text.match_indices(function).any(|(at, _)| writes_numbers(text, at, function.len())));
    let named = style && text.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').any(|word| NAMES.contains(&word));
    called || named || text.match_indices('#').any(|(at, _)| is_hex_colour(&text[at + 1..], style))
}

/// Whether a colour function stands here with numbers in it; one that is given tokens or computed values makes no new colour.
fn writes_numbers(text: &str, at: usize, length: usize) -> bool {
    let whole_word = !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '-' || before == '_');
    whole_word && text[at + length..].trim_start().starts_with(|first: char| first.is_ascii_digit() || first == '.')
}

/// In styles 3, 4, 6 or 8 digits; in code 6 or 8, where `#add` may be the name of a section.
fn is_hex_colour(after: &str, style: bool) -> bool {
    let word = after.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').next().unwrap_or_default();
    let digits = !word.is_empty() && word.chars().all(|c| c.is_ascii_hexdigit());
    digits && (matches!(word.len(), 6 | 8) || style && matches!(word.len(), 3 | 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let findings =
            check(&Workspace::at(std::path::Path::new(".")), &Tree::of(&[(path, text)])).expect("it only looks at the tree");
        findings.iter().filter_map(|finding| finding.split(' ').next()).map(str::to_owned).collect()
    }

    #[test]
    fn a_colour_in_a_style_is_found_in_every_notation() {
        let text = "a { color: #fff; }\nb {\n  background: oklch(0.5 0.1 200);\n  border: 1px solid white;\n  color: light-dark(\n    #0b6480,\n  );\n}\n";
        assert_eq!(
            places("style/base.css", text),
            ["style/base.css:1", "style/base.css:3", "style/base.css:4", "style/base.css:6"]
        );
        assert_eq!(places("style/tokens.css", text), [""; 0]);
    }

    #[test]
    fn tokens_selectors_mixes_and_comments_are_no_colours() {
        let text = "#fab, a:hover { color: var(--sea); }\n/* once #ffffff\n   color: red; */\nb { background: color-mix(in oklab, var(--sea) 14%, transparent); white-space: nowrap; }\nc { mask: url(#add) ; }\n.red-tag { color: currentColor; }\n";
        assert_eq!(
            places("style/base.css", text),
            ["style/base.css:5"],
            "a reference of three hex letters is taken for a colour: rename it"
        );
    }

    #[test]
    fn code_may_name_sections_but_not_colours() {
        let text = "view! { <a href=\"#add\"/> <meta name=\"theme-color\" content=\"#f3f3ee\"/> }\nlet a = \"#0b6480\";\nlet b = \"rgba(0, 0, 0, 0.5)\";\nlet c = to_rgb(1);\nlet d = `rgba(${r},${g},${b},1)`;\n";
        assert_eq!(places("app/src/shell.rs", text), ["app/src/shell.rs:2", "app/src/shell.rs:3"]);
    }
}
