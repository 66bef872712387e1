//! Just enough of Rust to measure it: text without comments and literals, and the extent of functions and views.

/// The text with every comment and every string or character literal replaced by spaces; lines and columns stay.
pub(super) fn blanked(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end > at {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment or literal that begins here ends; `at` itself when none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment_end(bytes, at),
        [b'"', ..] => string_end(bytes, at + 1),
        [b'r', b'"' | b'#', ..] if !after_word => raw_string_end(bytes, at + 1).unwrap_or(at),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !after_word => raw_string_end(bytes, at + 2).unwrap_or(at),
        [b'b', b'\'', ..] if !after_word => character_end(bytes, at + 1),
        [b'\'', ..] if !after_word => character_end(bytes, at),
        _ => at,
    }
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a raw string whose hashes or quote begin here; `None` when it is a raw identifier.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let body = at + hashes + 1;
    let closes = |from: usize| {
        bytes[from] == b'"' && bytes[from + 1..].iter().take(hashes).filter(|byte| **byte == b'#').count() == hashes
    };
    Some((body..bytes.len()).find(|from| closes(*from)).map_or(bytes.len(), |quote| quote + 1 + hashes))
}

/// The end of a character literal; a lifetime ends where it begins.
fn character_end(bytes: &[u8], at: usize) -> usize {
    let body = at + 1;
    if bytes.get(body) == Some(&b'\\') {
        let quote = bytes[(body + 2).min(bytes.len())..].iter().position(|byte| *byte == b'\'');
        return quote.map_or(at, |offset| body + 2 + offset + 1);
    }
    // One character of up to four bytes, then a quote.
    let width = std::str::from_utf8(&bytes[body..(body + 4).min(bytes.len())]).map_or_else(|error| error.valid_up_to(), str::len);
    let first = std::str::from_utf8(&bytes[body..body + width]).ok().and_then(|text| text.chars().next());
    match first {
        Some(character) if bytes.get(body + character.len_utf8()) == Some(&b'\'') => body + character.len_utf8() + 1,
        _ => at,
    }
}

/// Something with a body that has a length.
#[derive(Debug, PartialEq)]
pub(super) struct Extent {
    /// The name of the function; for a view the function that it is in.
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Lines, the first and the last included.
    pub(super) lines: usize,
}

/// What an [`Extent`] measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Function,
    Component,
    View,
}

/// Functions, components and views of a file, from its text without comments and literals.
pub(super) fn extents(blanked: &str) -> Vec<Extent> {
    let mut found = Vec::new();
    let mut name = String::new();
    let mut component = false;
    for (at, word) in words(blanked) {
        let rest = &blanked[at + word.len()..];
        match word {
            "component" | "island" if blanked[..at].ends_with("#[") => component = true,
            "fn" => {
                let Some((_, called)) = words(rest).next().filter(|(offset, _)| rest[..*offset].trim().is_empty()) else {
                    continue;
                };
                called.clone_into(&mut name);
                let kind = if std::mem::take(&mut component) { Kind::Component } else { Kind::Function };
                found.extend(body(rest).map(|body| Extent { name: name.clone(), kind, lines: lines(&rest[..body]) }));
            }
            "view" if rest.starts_with('!') => {
                found.extend(body(rest).map(|body| Extent { name: name.clone(), kind: Kind::View, lines: lines(&rest[..body]) }));
            }
            _ => {}
        }
    }
    found
}

fn lines(text: &str) -> usize {
    text.matches('\n').count() + 1
}

/// Identifiers with their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes[at..].iter().position(|byte| is_word(*byte))?;
        at = start + bytes[start..].iter().position(|byte| !is_word(*byte)).unwrap_or(bytes.len() - start);
        Some((start, &text[start..at]))
    })
}

/// Where the body ends that begins with the first brace outside parentheses and brackets; `None` for a function without one.
fn body(text: &str) -> Option<usize> {
    let (mut outer, mut braces) = (0_i32, 0_i32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' if braces == 0 => outer += 1,
            b')' | b']' if braces == 0 => outer -= 1,
            b';' | b'}' if outer <= 0 && braces == 0 => return None,
            b'{' if outer <= 0 || braces > 0 => braces += 1,
            b'}' if braces > 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The text without a module of tests at its end: what the limit for files counts.
pub(super) fn without_tests<'t>(text: &'t str, blanked: &str) -> &'t str {
    blanked.find("#[cfg(test)]\nmod tests {").map_or(text, |at| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_nothing_else() {
        let cases = [
            ("a // } b\nc", "a c"),
            ("a /* { /* } */ { */ b", "a b"),
            (r#"x("{\"") y"#, "x( ) y"),
            (r##"r#"{"#; r#fn"##, "; r#fn"),
            ("'{' + '\\'' + '\\u{7b}' + 'é'", "+ + +"),
            ("for<'a> fn(&'a str)", "for<'a> fn(&'a str)"),
            ("br\"}\" + b'}' + bar(\"\")", "+ + bar( )"),
        ];
        for (text, kept) in cases {
            let blanked = blanked(text);
            assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), kept, "{text}");
            assert_eq!(blanked.len(), text.len(), "every place stays where it was: {text}");
        }
    }

    #[test]
    fn functions_components_and_views_are_measured_from_their_first_line_to_their_last() {
        let text = "fn one() {}\nfn two(a: [u8; 2]) -> u8 {\n    { a[0] }\n}\n#[component]\npub fn Three() -> impl IntoView {\n    view! {\n        <p>{}</p>\n    }\n}\ntrait T {\n    fn four(&self);\n}\ntype F = fn(u8);\n";
        let found: Vec<_> = extents(&blanked(text)).into_iter().map(|extent| (extent.name, extent.kind, extent.lines)).collect();
        assert_eq!(
            found,
            [
                ("one".to_owned(), Kind::Function, 1),
                ("two".to_owned(), Kind::Function, 3),
                ("Three".to_owned(), Kind::Component, 5),
                ("Three".to_owned(), Kind::View, 3),
            ]
        );
    }

    #[test]
    fn the_tests_at_the_end_of_a_file_do_not_count() {
        let text = "//! A.\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        assert_eq!(without_tests(text, &blanked(text)), "//! A.\nfn a() {}\n\n");
        assert_eq!(without_tests("#[cfg(test)]\nmod tests;\n", "#[cfg(test)]\nmod tests;\n"), "#[cfg(test)]\nmod tests;\n");
    }
}
