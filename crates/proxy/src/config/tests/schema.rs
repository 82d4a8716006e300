//! The schema says what the reader does.

use breakerbox::config::{any_json, read_file};

use super::*;

#[test]
fn the_reader_and_the_schema_know_the_same_keys() {
    let top = |table: &str| {
        let inner = table.strip_prefix("{ ").and_then(|table| table.strip_suffix(" }"));
        inner.unwrap_or(table).to_owned()
    };
    assert_eq!(check_tables(&Config::schema(), &top), 23);
}

/// In each table of the schema puts an unknown key into a file: the error lists the known keys.
/// `write` puts a value into the place that `schema` is for. Returns how many tables there are.
fn check_tables(schema: &Json, write: &dyn Fn(&str) -> String) -> usize {
    let mut tables = 0;
    for alternative in schema["anyOf"].as_array().into_iter().flatten() {
        tables += check_tables(alternative, write);
    }
    if schema["items"].is_object() {
        tables += check_tables(&schema["items"], &|value| write(&format!("[{value}]")));
    }
    if schema["additionalProperties"].is_object() {
        let entry = |value: &str| write(&format!("{{ name = {value} }}"));
        tables += check_tables(&schema["additionalProperties"], &entry);
    }
    if let Some(properties) = schema["properties"].as_object() {
        tables += 1;
        let known: Vec<_> = properties.keys().map(String::as_str).collect();
        let expected = format!("known keys here: {}", known.join(", "));
        let errors = Config::parse("f.toml", &write("{ zzzzzz = 1 }")).unwrap_err();
        assert!(errors.iter().any(|error| error.fix == expected), "{expected}: {errors:?}");
        assert_eq!(schema["additionalProperties"], false);
        for (key, schema) in properties {
            assert_ne!(schema["description"].as_str().unwrap_or_default(), "", "{key}");
            tables += check_tables(schema, &|value| write(&format!("{{ {key} = {value} }}")));
        }
    }
    tables
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = Config::schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let right = format!("{UPSTREAM}policy.breaker = {{ window = {{ calls = 9 }} }}\n{LISTENER}");
    let wrong = [
        ("calls = 9", "calls = 0"),
        ("calls = 9", "calls = 1.5"),
        ("calls = 9", "call = 9"),
        ("calls = 9", " "),
        ("{ calls = 9 }", "9"),
        ("window", "failure_rate = 0, window"),
        ("window", "failure_rate = 50, window"),
        ("breaker", "retry"),
        ("breaker", "fallback = { json = 1, text = 'x' }\npolicy.breaker"),
        ("breaker", "fallback.status = 199\npolicy.breaker"),
        ("policy", "protocol = 'http3'\npolicy"),
        ("policy", "policy.deadline = 5\npolicy"),
        ("prefix = '/', ", ""),
        ("prefix = '/'", "prefix = '/', path = '/'"),
        (", upstream = 'posts'", ""),
        ("['http://127.0.0.1:9001']", "[]"),
        ("['http://127.0.0.1:9001']", "'http://127.0.0.1:9001'"),
        ("listener", "listeners"),
    ];
    assert!(takes(&right, &schema));
    assert!(Config::parse("f.toml", &right).is_ok());
    for (part, replacement) in wrong {
        let wrong = right.replacen(part, replacement, 1);
        assert_ne!(wrong, right);
        assert!(!takes(&wrong, &schema), "{wrong}");
        assert!(Config::parse("f.toml", &wrong).is_err(), "{wrong}");
    }
}

fn takes(text: &str, schema: &Json) -> bool {
    let (document, _) = read_file("f.toml", text, &any_json()).unwrap();
    fits(&document, schema)
}

/// As much of a validator as needs no regular expressions.
fn fits(value: &Json, schema: &Json) -> bool {
    let all_of = |name: &str, holds: &dyn Fn(&Json) -> bool| match schema.get(name) {
        Some(Json::Array(list)) => list.iter().all(holds),
        Some(other) => holds(other),
        None => true,
    };
    let number = |name: &str, holds: fn(f64, f64) -> bool| {
        let bound = schema[name].as_f64();
        value.as_f64().zip(bound).is_none_or(|(value, bound)| holds(value, bound))
    };
    let least = |name: &str, found: Option<usize>| {
        let bound = schema[name].as_u64();
        found.zip(bound).is_none_or(|(found, bound)| found as u64 >= bound)
    };
    let count = |name: &str| {
        let list = schema[name].as_array();
        list.map(|list| list.iter().filter(|schema| fits(value, schema)).count())
    };
    let object = value.as_object();
    all_of("type", &|name| has_type(value, name))
        && schema["enum"].as_array().is_none_or(|choices| choices.contains(value))
        && number("minimum", |value, bound| value >= bound)
        && number("maximum", |value, bound| value <= bound)
        && number("exclusiveMinimum", |value, bound| value > bound)
        && least("minItems", value.as_array().map(Vec::len))
        && least("minProperties", object.map(serde_json::Map::len))
        && value.as_array().into_iter().flatten().all(|item| fits_member(item, schema, "items"))
        && all_of("required", &|name| object.is_none_or(|object| object.contains_key(text(name))))
        && object.into_iter().flatten().all(|(key, member)| {
            match schema["properties"].get(key) {
                Some(schema) => fits(member, schema),
                None => fits_member(member, schema, "additionalProperties"),
            }
        })
        && all_of("allOf", &|schema| fits(value, schema))
        && count("anyOf").is_none_or(|count| count > 0)
        && count("oneOf").is_none_or(|count| count == 1)
        // A schema with nothing but a pattern would take everything here.
        && schema.get("not").is_none_or(|not| not.get("pattern").is_some() || !fits(value, not))
}

fn fits_member(value: &Json, schema: &Json, name: &str) -> bool {
    match &schema[name] {
        Json::Bool(allowed) => *allowed,
        Json::Null => true,
        schema => fits(value, schema),
    }
}

fn has_type(value: &Json, name: &Json) -> bool {
    match text(name) {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

fn text(value: &Json) -> &str {
    value.as_str().expect("names are strings")
}
