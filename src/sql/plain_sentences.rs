//! Plain sentences for what DataFusion's planner and its expressions refuse: what is not possible, and what is
//! written instead. They begin with the word of the statement that they are about.

use crate::printable::quoted_name;

use super::text_length;

/// The way to add rows to a file.
const INSERT: &str = "INSERT adds rows to tables of CREATE TABLE, and to no files; write all rows to another file: COPY (SELECT * \
                      FROM 'a.parquet' UNION ALL SELECT * FROM 'b.parquet') TO 'c.parquet'";

/// What there is where a statement is none of it.
const STATEMENTS: &str = "SELECT, SUMMARIZE, DESCRIBE, SHOW TABLES, EXPLAIN, COPY (SELECT …) TO 'file', CREATE VIEW, \
                          CREATE TABLE … AS, CREATE EXTERNAL TABLE, DROP and SET";

/// Operators between two types in a message.
const OPERATORS: [&str; 16] =
    ["=", "!=", "<>", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "||", "AND", "OR", "IS DISTINCT FROM"];

/// The way to compare values of two types.
const COMPARED: &str =
    "CAST(… AS DOUBLE) or AS VARCHAR converts one of them, and x1[1] is an element of a list";

/// The most signatures of a function that a sentence lists.
const LISTED: usize = 6;

/// The sentence for a message of DataFusion; `None` where there is none.
pub(super) fn plain_sentence(message: &str) -> Option<String> {
    statement(message)
        .or_else(|| call(message))
        .or_else(|| elsewhere(message))
        .or_else(|| operands(message))
        .or_else(|| condition(message))
        .or_else(|| ungrouped(message))
        .or_else(|| repeated(message))
        .or_else(|| value(message))
}

fn statement(message: &str) -> Option<String> {
    if message.contains("hysical plan does not support logical expression")
        && (message.contains("Subquery") || message.contains("OuterReferenceColumn"))
    {
        let way = "a subquery stands here where it can't be computed; in WHERE there may be IN (SELECT …), EXISTS (SELECT …) \
                   and their negations, joined by AND; elsewhere write it as a LEFT JOIN, and compare with IS NOT NULL";
        return Some(way.to_owned());
    }
    if message.starts_with("Insert into not implemented") {
        return Some(INSERT.to_owned());
    }
    if message.contains("Unsupported logical plan: Statement(Transaction") {
        return Some(
            "there are no transactions: a statement is done when it ends; leave them out".to_owned(),
        );
    }
    let (statement, _) = match message.split_once("Unsupported SQL statement: ") {
        Some((_, statement)) => (statement, ""),
        None => message.split_once(" not supported for ")?,
    };
    let word = statement.split_whitespace().next()?.trim_end_matches(';');
    // Functions are not supported for types, either, and their names are not in capitals.
    (word == word.to_ascii_uppercase() && !word.starts_with('[')).then_some(())?;
    Some(format!("{word} is none of the statements that are possible here: {STATEMENTS}"))
}

/// A function that does not take its arguments.
fn call(message: &str) -> Option<String> {
    let sum =
        message.split_once("[return_type] SUM not supported for ").map(|(_, data_type)| ("sum", data_type));
    let avg = || message.split_once("AvgAccumulator for (").and_then(|(_, rest)| rest.split_once(" --> "));
    if let Some((name, data_type)) = sum.or_else(|| avg().map(|(data_type, _)| ("avg", data_type))) {
        return Some(format!(
            "function {name} does not take {data_type}; CAST(… AS DOUBLE) converts an argument"
        ));
    }
    let (_, rest) = message.split_once("No function matches the given name and argument types '")?;
    let (call, rest) = rest.split_once("'.")?;
    let (name, arguments) = call.split_once('(')?;
    let arguments = arguments.strip_suffix(')')?;
    if name == text_length::NAME {
        return Some(text_length::OF_TEXT.to_owned());
    }
    let (_, candidates) = rest.split_once("Candidate functions:")?;
    let candidates: Vec<&str> = candidates.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let listed = candidates.get(..LISTED).unwrap_or(&candidates).join(", ");
    let more = if candidates.len() > LISTED { ", …" } else { "" };
    let what = match arguments {
        "" => "needs arguments".to_owned(),
        arguments => format!("does not take ({arguments})"),
    };
    let way = match arguments {
        "" => "",
        list if list.contains("List(") => {
            "; x1[1] is an element of a list, and unnest(x1) makes rows of its elements"
        }
        _ => "; CAST(… AS DOUBLE) or AS VARCHAR converts an argument",
    };
    Some(format!("function {name} {what}; it is {listed}{more}{way}"))
}

/// What other engines call, and a quoted path is here; and a field behind a dot.
fn elsewhere(message: &str) -> Option<String> {
    if message.contains("Dot access not supported") {
        return Some(
            "a field of a struct that a function gives stands in brackets: lsmi(x1, x2, y)['r']".to_owned(),
        );
    }
    let (name, _) = message.split_once("able function '")?.1.split_once("' not found")?;
    Some(format!("there is no table function {name}; a path in quotes is a table: FROM 'rows.parquet'"))
}

/// Two operands of types that an operator does not take together.
fn operands(message: &str) -> Option<String> {
    if let Some((_, rest)) = message.split_once("There isn't a common type to coerce ") {
        let (types, rest) = rest.split_once(" in ")?;
        let operator = rest.split_whitespace().next()?;
        return Some(format!(
            "operator {operator} takes texts, and these are {types}; CAST(… AS VARCHAR) makes a text"
        ));
    }
    if let Some((_, rest)) = message.split_once("Failed to coerce types ") {
        let (left, right) = rest.split_once(" in BETWEEN")?.0.split_once(" and ")?;
        return Some(format!("operator BETWEEN does not take {left} and {right}; {COMPARED}"));
    }
    let is_arithmetic = message.contains("Cannot coerce arithmetic expression ");
    let (_, rest) = message
        .split_once("Cannot coerce arithmetic expression ")
        .or_else(|| message.split_once("Cannot infer common argument type for comparison operation "))
        .or_else(|| message.split_once("Cannot infer common argument type for logical boolean operation "))?;
    let types = rest.split(" to valid types").next()?;
    let (left, operator, right) = OPERATORS.iter().find_map(|operator| {
        let (left, right) = types.split_once(&format!(" {operator} "))?;
        Some((left, operator, right))
    })?;
    let way = match is_arithmetic {
        true => {
            "CAST(… AS DOUBLE) makes a number of a text, x1[1] is an element of a list, and || joins texts"
        }
        false => COMPARED,
    };
    Some(format!("operator {operator} does not take {left} and {right}; {way}"))
}

/// A condition that is neither true nor false.
fn condition(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("Cannot create filter with non-boolean predicate '")?;
    let (expression, data_type) = rest.split_once("' returning ")?;
    Some(format!(
        "WHERE takes what is true or false, and {expression} is {data_type}; compare it with a value"
    ))
}

/// A column that is neither grouped by nor aggregated.
fn ungrouped(message: &str) -> Option<String> {
    let (clause, rest) =
        message.split_once("olumn in ")?.1.split_once(" must be in GROUP BY or an aggregate function")?;
    let (_, rest) = rest.split_once("column \"")?;
    let (path, _) = rest.split_once("\" must appear")?;
    // Behind the name of its table, which may be a file's.
    let name = quoted_name(path.rsplit('.').next().unwrap_or(path));
    let new = if clause == "HAVING" { "; a name of SELECT is another than a column's there" } else { "" };
    Some(format!(
        "column {name} is neither in GROUP BY nor within an aggregate; add it there, or take avg({name}) or \
         first_value({name}){new}"
    ))
}

/// Two columns of one name, such as `y` and `CAST(y AS VARCHAR)` under GROUP BY.
fn repeated(message: &str) -> Option<String> {
    message.contains("rojections require unique expression names").then(|| {
        "two columns have one name, as y and CAST(y AS …) have, also by other names under GROUP BY; compute one before: FROM \
         (SELECT *, CAST(y AS VARCHAR) AS text FROM …)"
            .to_owned()
    })
}

/// A value that can't be computed.
fn value(message: &str) -> Option<String> {
    if message.starts_with("Divide by zero") {
        return Some("a whole number is divided by zero; nullif(divisor, 0) gives NULL there".to_owned());
    }
    if message.contains("nsupported interval argument") {
        let way = "INTERVAL takes a text, as INTERVAL '1 day'; a column of that name stands in quotes: \"interval\"";
        return Some(way.to_owned());
    }
    if let Some((_, rest)) = message.split_once("Cannot cast string ") {
        let (text, rest) = rest.rsplit_once(" to value of ")?;
        let data_type = rest.trim_end_matches(" type");
        return Some(format!("{text} is no {data_type}; TRY_CAST gives NULL where a value is none"));
    }
    if let Some((function, _)) = message.split_once(" is source dependent") {
        return Some(format!(
            "{function} is known only where a file is read, and the numbers of rows only of Parquet; write it into a \
             SELECT of its own, as (SELECT *, {function} AS place FROM 'FILE')"
        ));
    }
    let (_, name) = message.split_once("Unsupported SQL type ")?;
    Some(format!(
        "there is no type {name}; there are BOOLEAN, INT, BIGINT, FLOAT, DOUBLE, DECIMAL(10, 2), VARCHAR, DATE, \
         TIMESTAMP, and lists of them as FLOAT[]"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::{Layout, Session, SqlRequest};

    /// The message of a statement that fails, with its caret.
    fn failed(sql: &str) -> String {
        let session = Session::open(&SqlRequest::new("")).unwrap();
        let go = AtomicBool::new(false);
        let view = "CREATE VIEW v AS SELECT 0.5 AS r, 'a' AS name, make_array(1, 2) AS x1, 7 AS label";
        session.run(view, &Layout::default(), &mut Vec::new(), &go).unwrap();
        let error = session.run(sql, &Layout::default(), &mut Vec::new(), &go).unwrap_err();
        assert_eq!(error.exit_code(), 64, "{error}");
        error.to_string()
    }

    #[test]
    fn what_is_refused_is_told_with_its_place_and_the_way() {
        for (sql, begins, way, marked) in [
            ("INSERT INTO v SELECT * FROM v", "SQL: INSERT adds rows to", "UNION ALL", "INSERT"),
            ("TRUNCATE TABLE v", "SQL: TRUNCATE is none of the statements", "COPY", "TRUNCATE"),
            ("COPY v TO 'x.ods'", "SQL: COPY writes no .ods files; ", ".csv", "COPY"),
            ("COPY v TO 'x/'", "SQL: COPY to x/ needs STORED AS ", "PARQUET, CSV", "COPY"),
            ("VACUUM", "SQL: VACUUM is none of the statements", "SUMMARIZE", "VACUUM"),
            ("SELECT r * 'a' FROM v", "SQL: operator * does not take Float64 and Utf8; ", "CAST(", "*"),
            ("SELECT x1 + name FROM v", "SQL: operator + does not take List(", "x1[1]", "+"),
            (
                "SELECT name BETWEEN true AND name FROM v",
                "SQL: operator BETWEEN does not take Utf8 and Boolean; ",
                "CAST(",
                "BETWEEN",
            ),
            ("SELECT avg(x1) FROM v", "SQL: function avg does not take (List(", "unnest(x1)", "avg"),
            (
                "SELECT abs(r, 2) FROM v",
                "SQL: function abs does not take (Float64, Int64); it is abs(",
                "CAST(",
                "abs",
            ),
            ("SELECT abs() FROM v", "SQL: function abs needs arguments; it is abs(", "", "abs"),
            ("SELECT sqrt(x1) FROM v", "SQL: function sqrt does not take (List(", "x1[1]", "sqrt"),
            (
                "SELECT * FROM v WHERE label LIKE 1",
                "SQL: operator LIKE takes texts, and these are",
                "VARCHAR",
                "LIKE",
            ),
            ("SELECT r FROM v GROUP BY label", "SQL: column r is neither in GROUP BY", "avg(r)", "r"),
            ("SELECT CAST(r AS FOO) FROM v", "SQL: there is no type FOO; ", "DOUBLE", "FOO"),
        ] {
            let message = failed(sql);
            assert!(message.starts_with(begins) && message.contains(way), "{message}");
            assert!(!message.contains("github") && !message.contains("Error during"), "{message}");
            let lines: Vec<&str> = message.lines().collect();
            let [_, line, caret] = lines[..] else { panic!("{message}") };
            let at = caret.find('^').unwrap();
            assert_eq!(&line[at..at + caret.trim().len()], marked, "{message}");
        }
        for (sql, begins) in [
            ("SELECT * FROM v WHERE r", "SQL: WHERE takes what is true or false, and v.r is Float64; "),
            ("SELECT label / (label - 7) FROM v", "SQL: a whole number is divided by zero; nullif("),
            ("SELECT CAST(name AS INT) FROM v", "SQL: 'a' is no Int32; TRY_CAST"),
            ("SELECT sum(NULL) FROM v", "SQL: function sum does not take Null; CAST(… AS DOUBLE)"),
            ("SELECT avg(NULL) FROM v", "SQL: function avg does not take Null; "),
            ("SELECT named_struct('r', r).r FROM v", "SQL: a field of a struct that a function gives"),
            ("SELECT * FROM read_parquet('a')", "SQL: there is no table function read_parquet; a path"),
            ("COMMIT", "SQL: there are no transactions: "),
            ("SELECT interval FROM v", "SQL: INTERVAL takes a text, as INTERVAL '1 day'; a column"),
            ("SELECT r * 1, r * 'a' FROM v", "SQL: operator * does not take Float64 and Utf8; "),
        ] {
            let message = failed(sql);
            assert!(message.starts_with(begins), "{message}");
        }
    }

    #[test]
    fn two_columns_of_one_name_are_told() {
        let message = failed("SELECT label, CAST(label AS VARCHAR) AS text, count(*) FROM v GROUP BY 1, 2");
        assert!(
            message.starts_with("SQL: two columns have one name") && message.contains("FROM (SELECT *"),
            "{message}"
        );
    }

    #[test]
    fn a_name_of_select_is_no_column_in_having() {
        let message = failed("SELECT name, avg(r) AS r FROM v GROUP BY name HAVING r > 2");
        assert!(
            message.starts_with("SQL: column r is neither in GROUP BY nor within an aggregate; "),
            "{message}"
        );
        assert!(message.ends_with("a name of SELECT is another than a column's there"), "{message}");
    }
}
