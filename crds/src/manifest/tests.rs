//! What is read of a file, where it stands, and what is refused.

use super::*;
use serde_json::json;
use std::time::{Duration, Instant};

const PIPELINE: &str = "\
# a comment
apiVersion: streamwright.dev/v1alpha1
kind: Topic
metadata: {name: a}
spec:
  schema:
    columns:
    - {name: x, type: STRING}
    - name: y
      type: INT
---
apiVersion: streamwright.dev/v1alpha1
kind: Pipeline
metadata:
  name: p
spec:
  query: |

    INSERT INTO b
      SELECT x FROM a;
";

fn only(text: &str) -> Document {
    let mut documents = read(text);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0).unwrap()
}

fn refused(text: &str) -> ReadError {
    read(text).into_iter().find_map(Result::err).expect("nothing was refused")
}

fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

#[test]
fn fields_are_found_by_line_and_column() {
    let documents: Vec<_> = read(PIPELINE).into_iter().map(Result::unwrap).collect();
    let path = FieldPath::root().field("spec").field("schema").field("columns");
    assert_eq!(documents[0].kind, DocumentKind::Ours(Kind::Topic));
    assert_eq!(documents[0].locate(&path.index(1).field("type")), at(10, 13));
    assert_eq!(documents[0].locate_key(&path.index(1).field("type")), at(10, 7));
    assert_eq!(documents[0].locate(&path.index(0).field("type")), at(8, 23));
    assert_eq!(documents[0].locate(&path.index(1).field("absent")), at(9, 7), "the item itself, where the field is not there");
    assert_eq!(documents[1].locate(&FieldPath::parse("metadata.name")), at(15, 9));
}

#[test]
fn a_position_inside_a_block_scalar_is_one_in_the_file() {
    let documents: Vec<_> = read(PIPELINE).into_iter().map(Result::unwrap).collect();
    let query = FieldPath::parse("spec.query");
    assert_eq!(documents[1].object["spec"]["query"], json!("\nINSERT INTO b\n  SELECT x FROM a;\n"));
    assert_eq!(documents[1].locate_in_text(&query, 2, 8), at(19, 12));
    assert_eq!(documents[1].locate_in_text(&query, 3, 3), at(20, 7));
    assert_eq!(documents[1].locate_in_text(&query, 99, 1), at(20, 5), "past the end: the last line");
}

#[test]
fn a_position_inside_other_scalars_is_one_in_the_file() {
    let query = FieldPath::parse("spec.query");
    for (written, line, column, expected) in [
        ("query: SELECT nope FROM a", 1, 8, at(3, 17)),
        ("query: 'SELECT ''x'', nope FROM a'", 1, 13, at(3, 25)),
        ("query: \"SELECT nope\"", 1, 8, at(3, 18)),
        ("query: \"SELECT\\n nope\"", 2, 2, at(3, 20)),
        ("query: >-\n    SELECT\n    nope\n    FROM a", 1, 8, at(5, 5)),
        ("query: SELECT\n    nope", 1, 8, at(4, 5)),
        ("query: |-\n      SELECT ä nope", 1, 10, at(4, 16)),
    ] {
        let document = only(&format!("# one\nspec:\n  {written}\napiVersion: v1\nkind: X\n"));
        assert_eq!(document.locate_in_text(&query, line, column), expected, "{written}");
    }
}

#[test]
fn windows_line_ends_and_marks_change_neither_values_nor_places() {
    let text = format!("\u{feff}{}", PIPELINE.replace('\n', "\r\n"));
    let documents: Vec<_> = read(&text).into_iter().map(Result::unwrap).collect();
    let query = FieldPath::parse("spec.query");
    assert_eq!(documents[0].locate(&FieldPath::parse("spec.schema.columns[1].type")), at(10, 13));
    assert_eq!(documents[1].object["spec"]["query"], json!("\nINSERT INTO b\n  SELECT x FROM a;\n"));
    assert_eq!(documents[1].locate_in_text(&query, 3, 3), at(20, 7));
}

#[test]
fn json_is_read_also_with_tabs() {
    let text = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"X\",\n\t\"spec\": {\"query\": \"a\\nb \\u00e4\"}\n}\n";
    let document = only(text);
    assert_eq!(document.object["spec"]["query"], json!("a\nb ä"));
    assert_eq!(document.locate(&FieldPath::parse("kind")), at(3, 10));
}

#[test]
fn a_tab_as_indentation_is_refused_by_name() {
    let error = refused("apiVersion: v1\nkind: X\nspec:\n\ta: 1\n");
    assert_eq!(error.at.line, 4, "{error}");
    assert!(error.message.contains("tab"), "{error}");
}

#[test]
fn kinds_of_others_are_told_apart_and_empty_documents_skipped() {
    let text = "---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\n---\napiVersion: apps/v1\nkind: Deployment\n---\n";
    let kinds: Vec<_> = read(text).into_iter().map(|document| document.unwrap().kind).collect();
    assert_eq!(kinds, [DocumentKind::ConfigMap, DocumentKind::Other("apps/v1 Deployment".into())]);
}

#[test]
fn a_bad_document_leaves_the_others_of_its_file_alone() {
    let documents = read("apiVersion: v1\nkind: ConfigMap\n---\na: [\n---\napiVersion: v1\nkind: Namespace\n");
    assert_eq!(documents.len(), 3);
    assert_eq!(documents[0].as_ref().unwrap().kind, DocumentKind::ConfigMap);
    assert!(documents[1].as_ref().unwrap_err().at.line >= 4);
    assert_eq!(documents[2].as_ref().unwrap().locate(&FieldPath::parse("kind")), at(7, 7));
}

#[test]
fn a_kind_of_ours_that_is_not_served_is_named() {
    let error = refused("apiVersion: streamwright.dev/v1\nkind: Topic\n");
    assert_eq!(error.at, at(2, 7));
    assert!(error.message.contains("streamwright.dev/v1 Topic is not served"), "{error}");
}

#[test]
fn a_key_that_is_there_twice_is_refused_where_it_is_repeated() {
    let error = refused("apiVersion: v1\nkind: X\nspec:\n  a: 1\n  a: 2\n");
    assert_eq!((error.at, error.message.as_str()), (at(5, 3), "key \"a\" is there twice"));
}

#[test]
fn aliases_and_merges_are_read() {
    let document = only("apiVersion: v1\nkind: X\nbase: &base {a: 1, b: [x]}\none: *base\ntwo:\n  <<: *base\n  a: 2\n");
    assert_eq!(document.object["one"], json!({"a": 1, "b": ["x"]}));
    assert_eq!(document.object["two"], json!({"a": 2, "b": ["x"]}));
    assert_eq!(document.locate(&FieldPath::parse("one")), at(4, 6));
    assert_eq!(document.locate(&FieldPath::parse("one.b[0]")), at(3, 24), "inside, where the anchor is");
}

/// Nine levels of ten aliases each: a gigabyte, were it written out.
fn laughs() -> String {
    let mut text = String::from("apiVersion: v1\nkind: X\na0: &a0 lol\n");
    for level in 1..10 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{uses}]\n");
    }
    text
}

#[test]
fn aliases_that_multiply_are_refused_in_little_time() {
    let started = Instant::now();
    let error = refused(&laughs());
    assert!(error.message.contains("aliases written out"), "{error}");
    let merges = format!("apiVersion: v1\nkind: X\nb: &b \"{}\"\nc: [{}]\n", "x".repeat(100_000), vec!["*b"; 200].join(", "));
    assert!(refused(&merges).message.contains("bytes of text"));
    assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
}

#[test]
fn an_alias_to_the_node_it_stands_in_is_refused() {
    assert!(refused("apiVersion: v1\nkind: X\na: &a [*a]\n").message.contains("alias"));
}

#[test]
fn hostile_documents_are_refused_in_bounded_time() {
    let deep = (0..80).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
    for (name, text) in [
        ("flow lists", "[".repeat(900_000)),
        ("flow maps", "{a: ".repeat(200_000)),
        ("block lists", "- ".repeat(500_000)),
        ("questions", "? ".repeat(500_000)),
        ("deep mappings", deep),
        ("open quote", format!("a: \"{}", "x".repeat(1_000_000))),
        ("many keys", (0..110_000).map(|key| format!("{key}: 1\n")).collect()),
        ("many items", format!("a: [{}]", "1,".repeat(300_000))),
        ("too large", format!("a: {}", "x".repeat(2_000_000))),
        ("not a mapping", "just text".into()),
        ("odd tag", "a: !python/object x".into()),
        ("mapping as key", "? {a: 1}\n: 2".into()),
        ("control character", "a: \u{1}\u{0}".into()),
        ("bare", "spec: {}".into()),
    ] {
        let started = Instant::now();
        let outcome = read(&text);
        assert!(outcome.iter().any(Result::is_err), "{name} was read");
        assert!(started.elapsed() < Duration::from_secs(5), "{name} took {:?}", started.elapsed());
    }
}

#[test]
fn mutated_documents_never_panic() {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let pieces = [
        "\n", "---\n", "  ", "- ", ": ", "|", ">-\n", "&a ", "*a", "<<: *a\n", "{", "}", "[", "]", "\"", "'", "!!int ", "ä", "\t", "#",
        "?", "a",
    ];
    let query = FieldPath::parse("spec.query");
    for _ in 0..3_000 {
        let mut text = PIPELINE.to_owned();
        for _ in 0..=random(6) {
            let at = random(text.len());
            let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            if random(3) == 0 && at > 0 {
                text.truncate(at);
            } else {
                text.insert_str(at, pieces[random(pieces.len())]);
            }
        }
        for document in read(&text).into_iter().flatten() {
            let _ = document.locate_in_text(&query, random(9), random(40));
        }
    }
}
