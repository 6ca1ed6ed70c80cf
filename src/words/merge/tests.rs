use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn merge(base: &str, current: &str, yours: &str) -> (String, Vec<String>) {
    let mut merge = Merge::default();
    merge.add("doc", Some(base), Some(current), yours);
    (merge.columns.remove(0).1, merge.conflicts)
}

#[test]
fn columns_and_keys_of_objects_are_merged_and_arrays_are_whole() {
    for (base, current, yours, merged, conflicts) in [
        ("1", "1", "2", "2", &[][..]),
        ("1", "2", "1", "2", &[]),
        ("1", "2", "2", "2", &[]),
        ("1", "2", "3", "2", &["doc"]),
        ("1.10", "1.10", "1.100", "1.10", &[]),
        ("1152921504606846976", "1152921504606846977", "1152921504606846976", "1152921504606846977", &[]),
        (r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":3.50}"#, r#"{"a":2,"b":3.50}"#, &[]),
        (r#"{"a":1,"b":1}"#, r#"{"a":2}"#, r#"{"a":1,"b":1,"c":1}"#, r#"{"a":2,"c":1}"#, &[]),
        (r#"{"a":1,"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"b":1}"#, r#"{"b":2}"#, &[]),
        (r#"{"a":1}"#, r#"{"a":2}"#, "{}", r#"{"a":2}"#, &["doc.a"]),
        (
            r#"{"a":{"b":1,"c d":1}}"#,
            r#"{"a":{"b":2,"c d":2}}"#,
            r#"{"a":{"b":3,"c d":3}}"#,
            r#"{"a":{"b":2,"c d":2}}"#,
            &["doc.a.b", "doc.a.\"c d\""],
        ),
        ("[1,2]", "[1,2,3]", "[0,1,2]", "[1,2,3]", &["doc"]),
        ("[1,2]", "[1,2]", "[0]", "[0]", &[]),
        ("null", r#"{"a":1}"#, r#"{"b":1}"#, r#"{"a":1}"#, &["doc"]),
        // A key twice: one value, for nobody knows which of them is meant.
        (r#"{"a":1,"a":2}"#, r#"{"a":3}"#, r#"{"a":1,"a":2}"#, r#"{"a":3}"#, &[]),
        (r#"{"a":1}"#, r#"{"a":1,"a":2}"#, r#"{"a":3}"#, r#"{"a":1,"a":2}"#, &["doc"]),
    ] {
        let (got, paths) = merge(base, current, yours);
        assert_eq!(
            (got.as_str(), &paths),
            (merged, &conflicts.iter().map(ToString::to_string).collect()),
            "{base} {current} {yours}"
        );
    }
}

#[test]
fn a_column_that_one_image_lacks_was_null() {
    let mut merge = Merge::default();
    merge.add("new", None, Some("null"), "5");
    merge.add("gone", Some("1"), None, "1");
    assert_eq!(merge.columns, [("new".to_owned(), "5".to_owned()), ("gone".to_owned(), "null".to_owned())]);
    assert!(merge.conflicts.is_empty());
}

#[test]
fn patches_are_those_of_the_rfc() {
    for (target, patch, result) in [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":1.10}"#, r#"{"a":"b","b":1.10}"#),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":{"b":"c","d":1}}"#, r#"{"a":{"b":"d","d":null}}"#, r#"{"a":{"b":"d"}}"#),
        ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        ("1", "[1]", "[1]"),
    ] {
        assert_eq!(patched(Some(target), patch).as_deref(), Some(result), "{target} {patch}");
    }
}

#[test]
fn deep_nesting_is_one_value_and_no_danger() {
    let deep = |inner: &str| format!("{}{inner}{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let (merged, conflicts) = merge(&deep("1"), &deep("2"), &deep("3"));
    assert!(merged == deep("2") && conflicts.len() == 1);
    assert_eq!(merge(&deep("1"), &deep("1"), &deep("3")).0, deep("3"));
    assert_eq!(patched(None, &deep("1")), None);
}

/// JSON of few keys and values, so that sides meet often.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1".to_owned()),
        Just("1.10".to_owned()),
        Just("\"x\"".to_owned()),
        Just("1152921504606846977".to_owned()),
        Just("[1,{\"a\":1}]".to_owned()),
        Just("true".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        })
    })
}

/// An object, and two others that are made of it by a change or two.
fn sides() -> impl Strategy<Value = (String, String, String)> {
    let patch = || prop::collection::btree_map("[a-d]", value(), 0..3);
    let text = |members: &std::collections::BTreeMap<String, String>| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let base = prop::collection::btree_map("[a-d]", value(), 2..5);
    (base, patch(), patch()).prop_map(move |(base, one, other)| {
        let base = text(&base);
        let changed = |patch| patched(Some(&base), &text(patch)).unwrap();
        (base.clone(), changed(&one), changed(&other))
    })
}

/// Every value in a text that is no object.
fn leaves(text: &str, found: &mut BTreeSet<String>) {
    match members(text, &Budget::new()) {
        Some(members) => members.iter().for_each(|(_, value)| leaves(value, found)),
        None => drop(found.insert(text.to_owned())),
    }
}

/// Paths of everything that differs between two values.
fn changed(path: &str, one: Option<&str>, other: Option<&str>, found: &mut BTreeSet<String>) {
    if same(one, other, &Budget::new()) {
        return;
    }
    let members = |text| members(text, &Budget::new());
    match (one.and_then(members), other.and_then(members)) {
        (Some(one), Some(other)) => {
            let (one, other) = (by_name(&one), by_name(&other));
            for name in one.keys().chain(other.keys()) {
                changed(&format!("{path}.{name}"), one.get(name).copied(), other.get(name).copied(), found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn either_order_gives_the_same(base in value(), one in value(), other in value()) {
        let ((here, conflicts), (there, mirrored)) = (merge(&base, &one, &other), merge(&base, &other, &one));
        let (paths, mirrored): (BTreeSet<_>, BTreeSet<_>) = (conflicts.iter().collect(), mirrored.iter().collect());
        prop_assert_eq!(&paths, &mirrored);
        if paths.is_empty() {
            prop_assert!(is_same(&here, &there), "{} {}", here, there);
        }
    }

    #[test]
    fn who_changed_nothing_has_no_say(base in value(), side in value()) {
        for (current, yours) in [(&base, &side), (&side, &base), (&side, &side)] {
            let (merged, conflicts) = merge(&base, current, yours);
            prop_assert!(conflicts.is_empty() && is_same(&merged, &side));
        }
    }

    #[test]
    fn no_value_is_invented(base in value(), current in value(), yours in value()) {
        let (mut known, mut made) = (BTreeSet::new(), BTreeSet::new());
        [&base, &current, &yours].into_iter().for_each(|text| leaves(text, &mut known));
        leaves(&merge(&base, &current, &yours).0, &mut made);
        prop_assert!(made.is_subset(&known), "{:?}", made.difference(&known));
    }

    #[test]
    fn without_overlap_both_are_applied((base, current, yours) in sides()) {
        let (merged, conflicts) = merge(&base, &current, &yours);
        prop_assume!(conflicts.is_empty());
        let (mut here, mut there, mut together) = Default::default();
        changed("", Some(&base), Some(&current), &mut here);
        changed("", Some(&base), Some(&yours), &mut there);
        changed("", Some(&base), Some(&merged), &mut together);
        prop_assert_eq!(&together, &(&here | &there));
    }

    #[test]
    fn merging_again_changes_nothing((base, current, yours) in sides()) {
        let (merged, conflicts) = merge(&base, &current, &yours);
        prop_assume!(conflicts.is_empty());
        prop_assert!(is_same(&merge(&base, &merged, &yours).0, &merged));
        prop_assert!(is_same(&merge(&current, &merged, &current).0, &merged));
    }

    #[test]
    fn a_conflict_is_where_both_changed_something(base in value(), current in value(), yours in value()) {
        let (mut here, mut there): (BTreeSet<String>, BTreeSet<String>) = Default::default();
        changed("doc", Some(&base), Some(&current), &mut here);
        changed("doc", Some(&base), Some(&yours), &mut there);
        for path in merge(&base, &current, &yours).1 {
            let touches = |other: &String| *other == path || other.starts_with(&format!("{path}.")) || path.starts_with(&format!("{other}."));
            prop_assert!(here.iter().any(touches) && there.iter().any(touches), "{}", path);
        }
    }
}
