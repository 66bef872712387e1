//! What people write down for the audit log: reasons and remarks.

use crate::{Error, Result};

/// The text, when it can be kept, shown and exported as it stands: of control characters it has line breaks and tabs alone.
///
/// # Errors
/// Invalid with this field.
pub(crate) fn plain<'t>(field: &'static str, text: &'t str) -> Result<&'t str> {
    if text.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')) {
        return Err(Error::Invalid { field, detail: "must be without control characters".to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_page_and_no_file_can_show_is_refused_by_its_field() {
        for text in ["until 4.18.1\nis out", "première\tlecture", "先に", ""] {
            assert_eq!(plain("reason", text).expect("plain"), text);
        }
        for text in ["because\0of it", "\u{1b}[31mred", "bell\u{7}", "\u{85}"] {
            let refused = plain("remark", text).expect_err("refused");
            assert!(matches!(&refused, Error::Invalid { field: "remark", .. }), "{text:?}: {refused:?}");
        }
    }
}
