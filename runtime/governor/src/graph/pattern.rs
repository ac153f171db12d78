//! Patterns against patterns: a name, or what a name begins with and `*`.

/// What both patterns match, as a pattern; none if no name is matched by
/// both. Two patterns that share a name are always one within the other.
pub(super) fn meet<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    match (covers(one, other), covers(other, one)) {
        (true, _) => Some(other),
        (_, true) => Some(one),
        _ => None,
    }
}

/// Whether one pattern matches all that another does.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_suffix('*') {
        Some(prefix) => stem(narrow).starts_with(prefix),
        None => wide == narrow,
    }
}

/// A pattern without its `*`.
pub(super) fn stem(pattern: &str) -> &str {
    pattern.strip_suffix('*').unwrap_or(pattern)
}

/// The patterns that no other of them covers, in order: together they match
/// what all match, and no name is matched by two.
pub(super) fn apart(patterns: &[String]) -> Vec<String> {
    let mut sorted: Vec<&String> = patterns.iter().collect();
    // What begins with a prefix follows it directly.
    sorted.sort_by_key(|pattern| (stem(pattern), !pattern.ends_with('*')));
    let mut apart: Vec<String> = Vec::new();
    for pattern in sorted {
        if !apart.last().is_some_and(|last| covers(last, pattern)) {
            apart.push(pattern.clone());
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ringfence_model::pattern_matches;

    use super::*;

    #[test]
    fn patterns_meet_where_a_name_exists_that_both_match() {
        for (one, other, both) in [
            ("a", "a", Some("a")),
            ("a", "b", None),
            ("a", "ab", None),
            ("a*", "a", Some("a")),
            ("a*", "ab", Some("ab")),
            ("a*", "b", None),
            ("a*", "ab*", Some("ab*")),
            ("a*", "b*", None),
            ("*", "b*", Some("b*")),
            ("*", "*", Some("*")),
        ] {
            assert_eq!(meet(one, other), both, "{one} {other}");
            assert_eq!(meet(other, one), both, "{other} {one}");
        }
    }

    proptest! {
        #[test]
        fn what_both_match_is_what_each_matches(
            one in "[ab]{0,3}[*]?", other in "[ab]{0,3}[*]?", name in "[ab]{0,4}",
        ) {
            let both = meet(&one, &other).is_some_and(|both| pattern_matches(both, &name));
            let each = pattern_matches(&one, &name) && pattern_matches(&other, &name);
            prop_assert_eq!(both, each);
        }

        #[test]
        fn patterns_apart_match_what_all_match_and_each_name_once(
            patterns in prop::collection::vec("[ab]{0,3}[*]?", 0..6), name in "[ab]{0,4}",
        ) {
            let all = patterns.iter().any(|pattern| pattern_matches(pattern, &name));
            let apart = apart(&patterns);
            let matching = apart.iter().filter(|pattern| pattern_matches(pattern, &name));
            prop_assert_eq!(matching.count(), usize::from(all));
        }
    }
}
