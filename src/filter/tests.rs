use proptest::prelude::*;
use serde_json::{Number, Value, json};

use super::{
    AttributePath, DEPTH_MAX, Filter, IN_VALUES_MAX, Literal, Op, PATH_NAMES_MAX, TERMS_MAX, TEXT_BYTES_MAX, matches,
    parse,
};

/// The canonical text of a filter that must parse.
fn canonical(text: &str) -> String {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

fn error(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

fn path(dotted: &str) -> AttributePath {
    AttributePath::parse(dotted).unwrap()
}

#[test]
fn operators_in_any_case() {
    for op in Op::ALL {
        let text = format!("userName {} \"a\"", op.keyword().to_uppercase());
        let expected = Filter::Compare { path: path("userName"), op, value: Literal::String("a".to_owned()) };
        assert_eq!(parse(&text), Ok(expected));
    }
    assert_eq!(canonical("Title PR"), "Title pr");
    assert_eq!(canonical("id IN [\"x\"]"), "id in [\"x\"]");
    assert_eq!(canonical("NOT (a Pr) OR b pr"), "not (a pr) or b pr");
}

#[test]
fn literals() {
    assert_eq!(canonical(r#"a eq "\"\\\/\n\u00e9é\ud83d\ude00""#), r#"a eq "\"\\/\néé😀""#);
    assert_eq!(canonical("a eq -0.5e1"), "a eq -5.0");
    assert_eq!(canonical("a eq 18446744073709551615"), "a eq 18446744073709551615");
    assert_eq!(canonical("a eq TRUE or a eq False or a ne NULL"), "a eq true or a eq false or a ne null");
    assert_eq!(canonical(r#"a in [ "x" , 1,2.5 ,true]"#), r#"a in ["x",1,2.5,true]"#);
}

#[test]
fn paths() {
    let names = |text| AttributePath::parse(text).unwrap().names().to_vec();
    assert_eq!(names("meta.created"), ["meta", "created"]);
    assert_eq!(names("members.$ref"), ["members", "$ref"]);
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName";
    assert_eq!(names(urn), ["name", "familyName"]);
    assert_eq!(canonical("URN:ietf:params:scim:schemas:core:2.0:User:userName pr"), "userName pr");
    for bad in ["", ".", "a.", ".a", "a..b", "1a", "a:b", "urn:x:", "a/b", "é", "a\u{a0}"] {
        assert!(AttributePath::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn precedence_and_parentheses() {
    for (text, expected) in [
        ("a pr or b pr and not (c pr) or d pr", "a pr or b pr and not (c pr) or d pr"),
        ("(a pr or b pr) and c pr", "(a pr or b pr) and c pr"),
        ("((a pr)) and (b pr)", "a pr and b pr"),
        ("(a pr and b pr) or c pr", "a pr and b pr or c pr"),
        ("(a pr and b pr) and c pr", "(a pr and b pr) and c pr"),
        ("not(a pr or b pr)", "not (a pr or b pr)"),
        ("s [ i eq\"r\"and(j pr) ]or(x pr)", "s[i eq \"r\" and j pr] or x pr"),
        ("s[id in [\"a\"]] and not (t[a pr])", "s[id in [\"a\"]] and not (t[a pr])"),
    ] {
        assert_eq!(canonical(text), expected);
    }
    let term = |name| Filter::Present(path(name));
    assert_eq!(
        parse("a pr or b pr and c pr"),
        Ok(Filter::Or(vec![term("a"), Filter::And(vec![term("b"), term("c")])]))
    );
}

#[test]
fn errors_point_at_the_mistake() {
    for (text, expected) in [
        (
            "userName foo \"x\"",
            "at character 10: expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr, in), \
             found \"foo\"",
        ),
        ("", "at character 1: expected an attribute name, \"not\" or \"(\", found the end of the filter"),
        (
            "a eq bob",
            "at character 6: expected a value (a string in double quotes, a number, true, false or \
             null), found \"bob\"",
        ),
        (
            "é pr",
            "at character 1: expected an attribute name (a letter, then letters, digits, \"-\" or \
             \"_\"; dots between names), found \"é\"",
        ),
        ("a eq \"é\" b", "at character 10: expected \"and\", \"or\" or the end of the filter, found \"b\""),
        ("a eq \"b", "at character 6: expected a closing '\"' to the string \"b\", found the end of the filter"),
        ("(a pr", "at character 6: expected \"and\", \"or\" or \")\", found the end of the filter"),
        ("s[a pr)", "at character 7: expected \"and\", \"or\" or \"]\", found \")\""),
        ("a pr and and b pr", "at character 10: expected an attribute name, \"not\" or \"(\", found \"and\""),
        ("not a pr", "at character 5: expected \"(\" after \"not\", found \"a\""),
        ("a co 5", "at character 6: expected a string in double quotes, found \"5\""),
        ("a gt true", "at character 6: expected a string in double quotes or a number, found \"true\""),
        ("a in \"x\"", "at character 6: expected a list such as [\"a\",\"b\"] after \"in\", found the string \"x\""),
        ("a in [\"x\" \"y\"]", "at character 11: expected \",\" or \"]\", found the string \"y\""),
        (
            "a in []",
            "at character 7: expected a value of the list (a string in double quotes, a number, true \
             or false), found \"]\"",
        ),
        (
            "s[t[a pr]]",
            "at character 4: expected an operator (a \"[…]\" filter cannot hold another one), found \
             \"[\"",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    assert!(error("a eq \"\\x\"").starts_with("at character 6: expected a JSON string (its"));
    assert!(error("a eq 1e999").ends_with("found \"1e999\""));
    assert!(error("a in [null]").ends_with("found \"null\""));
    // The leftmost mistake wins over one the lexer would meet later.
    assert!(error("a foo \"open").starts_with("at character 3:"));
    let long = format!("a {}\n pr", "x".repeat(100));
    assert!(error(&long).contains(&format!("\"{}\"…", "x".repeat(40))));
}

#[test]
fn near_miss_operators_are_suggested() {
    for (typed, meant) in [("==", "eq"), ("eqq", "eq"), ("startsWith", "sw"), ("inn", "in"), (">=", "ge")] {
        let message = error(&format!("a {typed} \"x\""));
        assert!(message.ends_with(&format!(": did you mean \"{meant}\"?")), "{message}");
    }
    assert!(!error("a foo 1").contains("did you mean"));
}

#[test]
fn bounds() {
    let nested = |open: &str, depth: usize| {
        let close = if open.ends_with('[') { "]" } else { ")" };
        format!("{}a pr{}", open.repeat(depth), close.repeat(depth))
    };
    for open in ["(", "not ("] {
        assert!(parse(&nested(open, DEPTH_MAX)).is_ok());
        let message = error(&nested(open, DEPTH_MAX + 1));
        assert!(message.contains("at most 16 levels of nesting"));
        assert!(parse(&open.repeat(TEXT_BYTES_MAX / open.len())).is_err());
    }
    assert!(parse(&format!("s[{}]", nested("(", DEPTH_MAX))).is_err());
    assert!(error(&" ".repeat(TEXT_BYTES_MAX + 1)).contains("at most 8192 bytes, found 8193"));

    let terms = |count| vec!["a pr"; count].join(" and ");
    assert!(parse(&terms(TERMS_MAX)).is_ok());
    assert!(error(&terms(TERMS_MAX + 1)).contains("at most 100 attribute expressions"));

    let list = |count| format!("a in [{}]", vec!["1"; count].join(","));
    assert!(parse(&list(IN_VALUES_MAX)).is_ok());
    assert!(error(&list(IN_VALUES_MAX + 1)).contains("at most 1000 values"));

    let dotted = |count| vec!["a"; count].join(".");
    assert!(AttributePath::parse(&dotted(PATH_NAMES_MAX)).is_ok());
    assert!(AttributePath::parse(&dotted(PATH_NAMES_MAX + 1)).is_err());
}

#[test]
fn evaluation() {
    let account = json!({
        "userName": "Ci", "active": true, "empty": "", "none": null, "level": 3, "ratio": 0.5,
        "meta": {"created": "2024-01-01T00:00:00Z"}, "tags": ["a", "b"],
        "scopes": [{"identifier": "read", "level": 1}, {"identifier": "write", "level": 2}],
    });
    let holds = |text: &str| matches(&parse(text).unwrap(), &account);
    for text in [
        r#"USERNAME eq "Ci""#,
        r#"userName sw "C" and userName ew "i" and userName co "i""#,
        r#"userName in ["x","Ci"] and level in [1,3] and active in [true]"#,
        "level gt 2 and level ge 3 and level lt 3.5 and level le 3 and level eq 3.0 and ratio lt 1",
        "active eq true and not (active eq false)",
        "none eq null and missing eq null and not (missing ne null) and userName ne null",
        r#"missing ne "x" and not (missing eq "x") and missing ne true"#,
        "not (empty pr) and not (none pr) and not (missing pr) and tags pr and meta pr",
        r#"meta.created gt "2023-12-31T23:59:59Z""#,
        r#"tags eq "b" and tags[value eq "a"]"#,
        r#"scopes[identifier eq "read" and level eq 1]"#,
        // Each half holds for another item: no single one matches both.
        r#"not (scopes[identifier eq "read" and level eq 2])"#,
        r#"scopes.identifier eq "read" and scopes.level eq 2"#,
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [r#"userName eq "ci""#, r#"level eq "3""#, "userName gt 1", "missing pr"] {
        assert!(!holds(text), "{text}");
    }
    let large = json!({"n": u64::MAX});
    assert!(!matches(&parse("n eq 18446744073709551614").unwrap(), &large));
}

fn any_path() -> impl Strategy<Value = AttributePath> {
    let name = "[a-zA-Z_$][a-zA-Z0-9_-]{0,6}";
    prop::collection::vec(name, 1..4)
        .prop_filter("reserved", |names| {
            names.len() > 1 || !["and", "or", "not"].contains(&names[0].to_lowercase().as_str())
        })
        .prop_map(|names| path(&names.join(".")))
}

fn any_number() -> impl Strategy<Value = Literal> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        prop::num::f64::NORMAL.prop_map(|float| Number::from_f64(float).unwrap()),
    ]
    .prop_map(Literal::Number)
}

fn any_term() -> impl Strategy<Value = Filter> {
    let text = || any::<String>().prop_map(Literal::String);
    let bools = || any::<bool>().prop_map(Literal::Bool);
    let ordered = || prop_oneof![text(), any_number()];
    let comparison = prop_oneof![
        (prop::sample::select(&Op::ALL[..2]), prop_oneof![text(), any_number(), bools(), Just(Literal::Null)],),
        (prop::sample::select(&Op::ALL[2..5]), text()),
        (prop::sample::select(&Op::ALL[5..]), ordered()),
    ];
    let list = prop::collection::vec(prop_oneof![text(), any_number(), bools()], 1..4);
    prop_oneof![
        any_path().prop_map(Filter::Present),
        (any_path(), comparison).prop_map(|(path, (op, value))| Filter::Compare { path, op, value }),
        (any_path(), list).prop_map(|(path, values)| Filter::In { path, values }),
    ]
}

fn logic(term: impl Strategy<Value = Filter> + 'static, depth: u32) -> impl Strategy<Value = Filter> {
    term.prop_recursive(depth, 9, 3, |part| {
        prop_oneof![
            prop::collection::vec(part.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(part.clone(), 2..4).prop_map(Filter::Or),
            part.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let within =
        (any_path(), logic(any_term(), 1)).prop_map(|(path, filter)| Filter::Within { path, filter: Box::new(filter) });
    logic(prop_oneof![3 => any_term(), 1 => within], 3)
}

/// Text near enough to the grammar that the parser gets deep into it.
fn token_soup() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "userName", "a.b", "eq", "in", "pr", "not", "and", "or", "(", ")", "[", "]", ",", "\"x\"", "\"", "\\", "1",
        "true", "null", "é", "urn:a:b",
    ]);
    prop::collection::vec((token, prop::sample::select(vec!["", " "])), 0..40)
        .prop_map(|tokens| tokens.into_iter().flat_map(|(token, space)| [token, space]).collect())
}

proptest! {
    #[test]
    fn canonical_text_parses_back(filter in any_filter()) {
        let text = filter.to_string();
        prop_assume!(text.len() <= TEXT_BYTES_MAX);
        prop_assert_eq!(parse(&text), Ok(filter));
    }

    #[test]
    fn arbitrary_text_never_panics(text in prop_oneof![any::<String>(), token_soup()]) {
        match parse(&text) {
            Ok(filter) => prop_assert_eq!(parse(&filter.to_string()), Ok(filter)),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.position)),
        }
    }

    #[test]
    fn not_is_the_opposite(filter in any_filter(), number in any::<i8>()) {
        let value = json!({"a": [{"b": number}], "b": number, "c": Value::Null});
        let negated = Filter::Not(Box::new(filter.clone()));
        prop_assert_ne!(matches(&filter, &value), matches(&negated, &value));
    }
}
