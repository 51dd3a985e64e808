//! Texts made to exhaust time, memory or stack: each gives a plan or an error, soon.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::tables::planned;

const SIZE: usize = 128 * 1024;

/// Plans in another thread, so that a text which takes for ever fails by its name; says how it ended.
fn soon(what: &str, text: &str) -> Result<(), String> {
    let begin = Instant::now();
    let (send, receive) = mpsc::channel();
    let query = text.to_owned();
    std::thread::spawn(move || send.send(planned(&query).map(|_| ()).map_err(|error| error.to_string())));
    let result = receive.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| panic!("{what} takes more than 30 s"));
    println!("{what}: {:?} {}", begin.elapsed(), result.as_ref().err().map_or("planned", |error| error.lines().next().unwrap_or_default()));
    assert!(!result.as_ref().is_err_and(|error| error.contains("the planner failed")), "{what}: {result:?}");
    result
}

fn select(expression: &str) -> String {
    format!("INSERT INTO names SELECT {expression} FROM flights")
}

/// As many repetitions as fit into a text of the greatest size.
fn filled(first: &str, repeated: &str, last: &str) -> String {
    let count = (SIZE - first.len() - last.len() - 200) / repeated.len();
    format!("{first}{}{last}", repeated.repeat(count))
}

#[test]
fn a_flat_chain_of_or_is_planned_or_refused() {
    let many = filled("INSERT INTO names SELECT carrier FROM flights WHERE delay = 0", " OR delay = 1000", "");
    assert!(soon("or chain", &many).is_ok());
    let more = filled("INSERT INTO names SELECT carrier FROM flights WHERE delay=0", " OR yes", "");
    assert!(soon("or chain of names", &more).is_err());
    assert!(soon("and chain", &filled("INSERT INTO names SELECT carrier FROM flights WHERE delay = 0", " AND delay = 1000", "")).is_ok());
}

#[test]
fn nesting_as_deep_as_the_text_allows_is_refused() {
    let deep = SIZE / 2 - 100;
    for (what, text) in [
        ("parentheses", select(&format!("{}carrier{}", "(".repeat(deep), ")".repeat(deep)))),
        ("open parentheses", select(&"(".repeat(2 * deep))),
        ("brackets", select(&format!("carrier{}", "[".repeat(deep)))),
        ("functions", select(&filled("", "UPPER(", ""))),
        ("case", select(&filled("", "CASE WHEN ", ""))),
        ("nested case", select(&format!("{}'x'{}", "CASE WHEN TRUE THEN ".repeat(3_000), " END".repeat(3_000)))),
        ("not", select(&filled("", "NOT ", "yes"))),
        ("minus", select(&filled("", "- ", "delay"))),
        ("tilde", select(&filled("", "~", "delay"))),
        ("casts", select(&filled("carrier", "::STRING", ""))),
        ("is null", select(&filled("carrier", " IS NULL", ""))),
        ("plus", select(&filled("delay", "+delay", ""))),
        ("concat", select(&filled("carrier", "||carrier", ""))),
        ("equal", select(&filled("delay", "=delay", ""))),
        ("fields", select(&filled("a", ".a", ""))),
        ("between", select(&filled("delay", " BETWEEN 1 AND 2", ""))),
        ("arrays", select(&format!("CAST(carrier AS {}", filled("", "ARRAY<", "")))),
        ("types", select(&format!("CAST(carrier AS INT{})", "[]".repeat(deep / 2)))),
        ("intervals", select(&filled("", "INTERVAL ", "'1' DAY"))),
        ("inserts", filled("", "INSERT INTO names ", "")),
        ("prior", select(&filled("", "PRIOR ", ""))),
        ("tables", select(&filled("", "TABLE ", ""))),
        ("dates", select(&filled("", "DATE ", ""))),
        ("binary", select(&filled("", "BINARY ", ""))),
        ("union", filled("INSERT INTO names SELECT carrier FROM flights", " UNION", "")),
        ("nested joins", filled("INSERT INTO names SELECT * FROM flights", " JOIN (flights", "")),
        ("join conditions", filled("INSERT INTO names SELECT * FROM flights", " JOIN flights f ON 1 = 1", "")),
        ("natural joins", filled("INSERT INTO names SELECT * FROM flights", " NATURAL JOIN flights", "")),
        ("left joins", filled("INSERT INTO names SELECT * FROM flights", " LEFT JOIN", "")),
        ("lateral", filled("INSERT INTO names SELECT * FROM ", "LATERAL ", "")),
        ("views", filled("", "CREATE VIEW v AS ", "")),
        ("named arguments", select(&filled("f(", "a => ", "1)"))),
        ("extracts", select(&filled("", "EXTRACT(YEAR FROM ", ""))),
        ("group by", filled("INSERT INTO names SELECT carrier FROM flights GROUP BY carrier", ", carrier", "")),
        ("semicolons", filled("INSERT INTO names SELECT carrier FROM flights", ";", "x")),
        ("exists", select(&filled("", "EXISTS(SELECT ", ""))),
        ("subqueries", filled("INSERT INTO names ", "SELECT * FROM (", "")),
        ("parenthesised from", filled("INSERT INTO names SELECT * FROM ", "(", "flights")),
        ("double subqueries", filled("INSERT INTO names ", "SELECT * FROM ((", "")),
        ("comma subqueries", filled("INSERT INTO names ", "SELECT * FROM a, (", "")),
        ("joins", filled("INSERT INTO names SELECT * FROM flights", " JOIN flights", "")),
        ("with", filled("INSERT INTO names ", "WITH a AS (", "")),
        ("window functions", filled("INSERT INTO names SELECT * FROM ", "TABLE(TUMBLE(", "")),
        ("comments", filled("INSERT INTO names SELECT carrier FROM flights ", "/*", "")),
        ("quotes", select(&filled("'", "''", ""))),
    ] {
        assert!(soon(what, &text).is_err(), "{what}");
    }
}

#[test]
fn ambiguous_nesting_does_not_take_exponential_time() {
    for (opening, closing) in [
        ("SELECT * FROM (", ")"),
        ("SELECT * FROM ((", "))"),
        ("SELECT carrier FROM (flights JOIN (", "))"),
        ("SELECT * FROM TABLE(TUMBLE((", "), DESCRIPTOR(departed), INTERVAL '1' HOUR))"),
        ("SELECT * FROM a, (", ")"),
        ("SELECT * FROM (a), (", ")"),
        ("SELECT * FROM (flights) WHERE carrier IN (", ")"),
        ("WITH a AS (", ") SELECT * FROM a"),
        ("(", ")"),
        ("(SELECT carrier FROM flights) UNION ALL (", ")"),
        ("SELECT f(a => (", "))"),
        ("SELECT CAST((", ") AS INT)"),
        ("SELECT INTERVAL (", ") DAY"),
        ("SELECT CASE WHEN (", ") THEN 1 END"),
        ("SELECT DATE (", ")"),
        ("SELECT (carrier, (", "))"),
        ("SELECT EXISTS (", ")"),
        ("SELECT x BETWEEN (", ") AND 1"),
        ("SELECT TRIM(BOTH FROM (", "))"),
        ("SELECT a[(", ")]"),
        ("SELECT {d (", ")}"),
    ] {
        for count in [10, 24, 49, 95] {
            for (middle, last) in [("SELECT carrier FROM flights", ""), ("carrier", ""), ("!", ""), ("SELECT", " FROM")] {
                let text = format!("INSERT INTO names {}{middle}{}{last}", opening.repeat(count), closing.repeat(count));
                let _ = soon(&format!("{count} x {opening}{middle}"), &text);
            }
        }
    }
}

/// Well-formed queries with pieces of them moved about: an error or a plan, never a panic.
#[test]
fn scrambled_queries_never_break_the_planner() {
    let seeds: u64 = std::env::var("SW_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(300);
    let folder = crate::cases::folder();
    let mut words = Vec::new();
    for entry in std::fs::read_dir(folder.join("plans")).expect("the plans").filter_map(Result::ok) {
        if entry.path().extension().is_some_and(|extension| extension == "sql") {
            let text = std::fs::read_to_string(entry.path()).expect("a query");
            words.push(text.lines().filter(|line| !line.starts_with("--")).flat_map(pieces).collect::<Vec<_>>());
        }
    }
    let expressions = std::fs::read_to_string(folder.join("expressions.txt")).expect("the expressions");
    let expressions: Vec<&str> = expressions.lines().filter_map(|line| line.split_once(" : ")).map(|(expression, _)| expression).collect();
    for seed in 0..seeds {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).expect("small")
        };
        let mut query = words[random(words.len())].clone();
        for _ in 0..=random(4) {
            let (at, swapped) = (random(query.len()), random(query.len()));
            let other = &words[random(words.len())];
            match random(5) {
                0 => drop(query.remove(at)),
                1 => query[at] = other[random(other.len())].clone(),
                2 => query.insert(at, other[random(other.len())].clone()),
                3 => query.swap(at, swapped),
                _ => query[at] = format!("({})", expressions[random(expressions.len())]),
            }
            if query.is_empty() {
                break;
            }
        }
        let text = query.join(" ");
        if let Err(error) = planned(&text) {
            assert!(!error.message.contains("the planner failed"), "seed {seed}: {error}\n{text}");
        }
    }
}

/// Words, numbers, strings and signs.
fn pieces(line: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut quoted = false;
    for char in line.chars() {
        let joins = quoted || (char.is_alphanumeric() || "_'`.".contains(char));
        quoted ^= char == '\'';
        match pieces.last_mut() {
            Some(last) if joins && last.chars().all(|last| quoted || last.is_alphanumeric() || "_'`. ".contains(last)) && last != " " => {
                last.push(char)
            }
            _ => pieces.push(char.to_string()),
        }
    }
    pieces.retain(|piece| !piece.trim().is_empty());
    pieces
}

#[test]
fn long_flat_lists_are_planned_or_refused() {
    let list = (0..9_999).map(|number| format!("{number},")).collect::<String>();
    assert!(soon("in list", &format!("INSERT INTO names SELECT carrier FROM flights WHERE delay IN ({list}1)")).is_ok());
    assert!(soon("long in list", &filled("INSERT INTO names SELECT carrier FROM flights WHERE delay IN (1", ",1", ")")).is_err());
    assert!(soon("columns in list", &filled("INSERT INTO names SELECT carrier FROM flights WHERE delay IN (1", ",distance", ")")).is_err());
    let columns = (0..5_000).map(|number| format!("carrier AS c{number},")).collect::<String>();
    assert!(soon("columns", &format!("INSERT INTO names SELECT {columns} carrier FROM flights")).is_err());
    let unions = " UNION ALL SELECT carrier FROM flights".repeat(900);
    assert!(soon("unions", &format!("INSERT INTO names SELECT carrier FROM flights{unions}")).is_ok());
    assert!(soon("more unions", &filled("INSERT INTO names SELECT carrier FROM flights", " UNION ALL TABLE t", "")).is_err());
    let branches = (0..2_000).map(|number| format!(" WHEN {number} THEN 'x'")).collect::<String>();
    assert!(soon("case branches", &select(&format!("CASE delay{branches} END"))).is_ok());
    assert!(soon("concat arguments", &select(&filled("CONCAT(carrier", ",carrier", ")"))).is_err());
    assert!(soon("coalesce arguments", &select(&filled("COALESCE(carrier", ",carrier", ")"))).is_ok());
}

#[test]
fn views_that_double_each_other_are_refused() {
    let mut text = "CREATE VIEW v0 AS SELECT carrier AS a, origin AS b FROM flights;".to_owned();
    for number in 1..100 {
        text += &format!("CREATE VIEW v{number} AS SELECT a, b FROM v{0} UNION ALL SELECT b, a FROM v{0};", number - 1);
    }
    let error = soon("doubling views", &format!("{text} INSERT INTO names SELECT a FROM v99")).expect_err("doubled a hundred times");
    assert!(error.contains("views over views"), "{error}");

    let mut text = "CREATE VIEW v0 AS SELECT delay AS a FROM flights;".to_owned();
    for number in 1..200 {
        text += &format!("CREATE VIEW v{number} AS SELECT a + a AS a FROM v{} WHERE a > 0;", number - 1);
    }
    assert!(soon("doubling expressions", &format!("{text} INSERT INTO totals SELECT 'x', a FROM v199")).is_ok());

    let chain = (1..900).map(|number| format!("CREATE VIEW v{number} AS SELECT a + 1 AS a FROM v{};", number - 1)).collect::<String>();
    let first = "CREATE VIEW v0 AS SELECT delay AS a FROM flights;";
    assert!(soon("chain of views", &format!("{first}{chain} INSERT INTO totals SELECT 'x', a FROM v899")).is_err());
}

#[test]
fn constants_do_not_grow_without_bound() {
    let mut text = "'aaaaaaaaaa'".to_owned();
    for _ in 0..20 {
        text = format!("REPEAT({text}, 10000)");
    }
    assert!(soon("repeat", &select(&text)).is_err());
    let mut text = format!("'{}'", "a".repeat(30_000));
    for _ in 0..5 {
        text = format!("REPLACE({text}, 'a', 'aaaaaaaaaaaaaaaaaaaa')");
    }
    assert!(soon("replace", &select(&text)).is_err());
    assert!(soon("digits", &select(&"9".repeat(100_000))).is_err());
    assert!(soon("pattern", &select(&format!("carrier LIKE '{}'", "%a".repeat(60_000)))).is_err());
    assert!(soon("interval", &select("departed + INTERVAL '99999999999999999999' DAY")).is_err());
    assert!(soon("bytes", &"x".repeat(SIZE + 1)).is_err());
}

#[test]
fn the_greatest_expression_evaluates_on_a_small_stack() {
    let mut expression = "delay".to_owned();
    for _ in 0..90 {
        expression = format!("({expression} + 1)");
    }
    expression += &" + 1".repeat(200);
    let plan = planned(&format!("INSERT INTO totals SELECT carrier, {expression} FROM flights")).unwrap_or_else(|error| panic!("{error}"));
    let flights = crate::tables::catalog().tables.remove(0);
    let fields = flights.columns.iter().map(|column| arrow::datatypes::Field::new(&column.name, column.data_type.clone(), true));
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
    let columns = schema.fields().iter().map(|field| arrow::array::new_null_array(field.data_type(), 3)).collect();
    let batch = arrow::array::RecordBatch::try_new(schema, columns).expect("a batch");
    let evaluate = move || crate::interpreter::run(&plan, &batch).map(|results| results[0].num_rows());
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(evaluate).expect("a thread");
    assert_eq!(thread.join().expect("no overflow"), Ok(3));
}

/// A table as wide as the limits allow, which a `*` names at once.
fn wide(text: &str) -> Result<(), String> {
    let columns = (0..1_000).map(|number| format!("c{number} STRING")).collect::<Vec<_>>().join("; ");
    let tables = vec![crate::tables::table("wide", &columns, &[], None), crate::tables::table("copy", &columns, &[], None)];
    let catalog = streamwright_sql::Catalog { tables };
    streamwright_sql::plan(text, &catalog, &streamwright_sql::Limits::default()).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn a_star_over_and_over_is_refused_before_it_fills_the_memory() {
    assert_eq!(wide("INSERT INTO copy SELECT * FROM wide"), Ok(()));
    for repeated in
        ["CREATE VIEW v{} AS SELECT * FROM wide;", "INSERT INTO copy SELECT * FROM wide;", "INSERT INTO copy (c1) SELECT c1 FROM wide;"]
    {
        let text = (0..SIZE / 50).map(|number| repeated.replace("{}", &number.to_string())).collect::<String>();
        let error = wide(&text[..text.len().min(SIZE)]).expect_err(repeated);
        assert!(error.contains("columns together"), "{repeated}: {error}");
    }
    let unions = format!("INSERT INTO copy SELECT * FROM wide{}", " UNION ALL SELECT * FROM wide".repeat(900));
    assert!(wide(&unions).is_err());
}

#[test]
fn filters_over_filters_are_planned_in_bounded_time() {
    let mut text = "CREATE VIEW v0 AS SELECT delay AS a FROM flights;".to_owned();
    for number in 1..240 {
        text += &format!("CREATE VIEW v{number} AS SELECT a FROM v{} WHERE {}a<9;", number - 1, "a<9 AND ".repeat(55));
    }
    text += "INSERT INTO totals SELECT 'x', a FROM v239";
    assert!(text.len() < SIZE);
    let _ = soon("filters", &text);
}

#[test]
fn statements_without_number_are_refused() {
    let inserts = "INSERT INTO names SELECT carrier FROM flights;".repeat(1_990);
    assert!(soon("inserts", &inserts).is_ok());
    assert!(soon("more inserts", &filled("", "INSERT INTO names SELECT carrier FROM flights;", "")).is_err());
    let distinct = filled("INSERT INTO names SELECT carrier FROM flights WHERE delay", " IS DISTINCT FROM delay", "");
    assert!(soon("distinct chain", &distinct).is_err());
    let distinct = filled("INSERT INTO names SELECT carrier FROM flights WHERE yes", " = yes IS DISTINCT FROM yes", "");
    assert!(soon("mixed distinct chain", &distinct).is_err());
}

#[test]
fn unusual_characters_are_refused_at_the_column_an_editor_shows() {
    for (text, expected) in [
        ("INSERT INTO names SELECT '\u{1f6eb}\u{301}', \0 FROM flights", "1:32: "),
        ("\u{feff}INSERT INTO names SELECT carrier FROM flights", "1:1: "),
        ("INSERT INTO names SELECT\r\n\tcarier FROM flights", "2:2: "),
        ("INSERT INTO names SELECT\u{a0}carier FROM flights", "1:26: "),
        ("INSERT INTO names SELECT `\u{202e}x\n` FROM flights", "1:26: column \\u{202e}x\\n does not exist"),
        ("INSERT INTO names SELECT carrier\u{200b} FROM flights", "1:33: \\u{200b} (U+200B)"),
    ] {
        let error = planned(text).expect_err(text).to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
        assert!(!error.contains(|char: char| char.is_control()), "{error:?}");
    }
    for opening in ["'", "`", "/*", "\"", "$$", "E'", "U&'", "X'", "N'", "q'", "'\\", "$a$"] {
        let _ = soon(opening, &select(&filled(opening, "\0\u{301}ä", "")));
    }
}

/// Different kinds of nesting inside each other, closed or cut off.
#[test]
fn mixed_nesting_does_not_take_exponential_time() {
    let pairs = [
        ("(", ")"),
        ("(SELECT carrier FROM (", "))"),
        ("SELECT * FROM (", ")"),
        ("CASE WHEN (", ") THEN 1 END"),
        ("CAST((", ") AS INT)"),
        ("UPPER(", ")"),
        ("f(a => (", "))"),
        ("EXISTS (SELECT ", ")"),
        ("x IN (", ")"),
        ("x BETWEEN (", ") AND 1"),
        ("TRIM(BOTH FROM (", "))"),
        ("EXTRACT(YEAR FROM (", "))"),
        ("POSITION((", ") IN 'x')"),
        ("SUBSTRING((", ") FROM 1)"),
        ("INTERVAL (", ") DAY"),
        ("a[(", ")]"),
        ("NOT (", ")"),
        ("WITH a AS (", ") SELECT * FROM a"),
        ("SELECT * FROM TABLE(TUMBLE((", "), DESCRIPTOR(departed), INTERVAL '1' HOUR))"),
        ("SELECT carrier FROM flights JOIN (", ") ON 1 = 1"),
        ("SELECT carrier FROM (flights) UNION ALL (", ")"),
        ("COUNT(*) FILTER (WHERE (", "))"),
        ("ARRAY[(", ")]"),
        ("x::ARRAY<", ">"),
    ];
    let seeds: u64 = std::env::var("SW_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(200);
    for seed in 0..seeds {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).expect("small")
        };
        let few = [pairs[random(pairs.len())], pairs[random(pairs.len())], pairs[random(pairs.len())]];
        let stack: Vec<(&str, &str)> = (0..random(97)).map(|_| few[random(few.len())]).collect();
        let opened = stack.iter().map(|(opening, _)| *opening).collect::<String>();
        let closed = stack.iter().rev().map(|(_, closing)| *closing).collect::<String>();
        let middle = ["carrier", "SELECT carrier FROM flights", "", "1"][random(4)];
        let closed = &closed[..if random(3) == 0 { random(closed.len() + 1) } else { closed.len() }];
        let _ = soon(&format!("seed {seed}"), &format!("INSERT INTO names {}{opened}{middle}{closed}", ["", "SELECT "][random(2)]));
    }
}
