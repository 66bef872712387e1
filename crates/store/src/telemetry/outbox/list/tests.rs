//! What a page of the list reads: each side of its range has one bound.

use super::*;

/// The range of a page that looks for a word, as SQL.
fn range(from: Option<(&Place, bool)>, end: Option<&Place>) -> String {
    let (filter, found) = (Filter::default(), Found::default());
    let wanted = Wanted { device: None, signature: None, filter: &filter, found: &found, words: Words::All, now: 0 };
    let mut query = QueryBuilder::new("");
    wanted.push(&mut query, from, end);
    query.sql().as_str().rsplit_once("where ").expect("conditions").1.to_owned()
}

#[test]
fn a_stretch_is_bounded_once_on_each_side_so_that_no_more_of_the_index_is_read() {
    let (place, end) = (Place(0, 5, 1, "a".into()), Place(3, 9, 1, "b".into()));
    let bounds = |sql: &str| (sql.matches('>').count(), sql.matches('<').count(), sql.contains("between"));
    assert_eq!(bounds(&range(None, None)), (0, 0, true), "states alone");
    for from in [None, Some((&place, false)), Some((&end, true))] {
        let to = if from.is_some_and(|(_, back)| back) { &place } else { &end };
        assert_eq!(bounds(&range(from, Some(to))), (1, 1, false), "{}", range(from, Some(to)));
    }
}
