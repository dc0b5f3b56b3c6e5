//! Rules that the sources keep, read out of the sources: where SQL may stand and what may stand in it, who reads the
//! time, and who knows of HTTP.

use std::path::{Path, PathBuf};

use grantd::store::schema;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file under these paths, with its path from the root.
fn sources(under: &[&str]) -> Vec<(String, String)> {
    fn collect(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                collect(&entry.unwrap().path(), found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    for path in under {
        collect(&root().join(path), &mut found);
    }
    assert!(!found.is_empty(), "{under:?}");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    found.into_iter().map(read).collect()
}

/// A source without its tests.
fn product(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap()
}

/// The code of a source, and its string literals as the compiler reads them, each with the code before it.
fn split(source: &str) -> (String, Vec<(String, String)>) {
    let (mut code, mut literals) = (String::new(), Vec::new());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if let Some(after) = rest.strip_prefix(r#"'"'"#) {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("r#\"") {
            let (text, after) = after.split_once("\"#").unwrap();
            literals.push((code.clone(), text.to_owned()));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('"') {
            let (text, after) = literal(after);
            literals.push((code.clone(), text));
            rest = after;
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    (code, literals)
}

/// A literal up to its closing quote, and what follows it.
fn literal(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut characters = source.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (text, &source[at + 1..]),
            '\\' => match characters.next().unwrap().1 {
                // A line that goes on: the compiler leaves out the blanks that the next one begins with.
                '\n' => {
                    let rest = source[at + 2..].trim_start();
                    let (more, after) = literal(rest);
                    return (text + more.as_str(), after);
                }
                'n' => text.push('\n'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    panic!("a literal has no end: {source}");
}

const BEGINNINGS: [&str; 15] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "REPLACE INTO ",
    "UPDATE ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "ALTER TABLE ",
    "DROP ",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
    "ROLLBACK TO ",
    "SAVEPOINT ",
    "RELEASE ",
];

fn is_sql(text: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| text.trim_start().starts_with(beginning))
}

#[test]
fn sql_stands_in_the_store_alone() {
    let mut statements = 0;
    for (path, source) in sources(&["src"]) {
        for (_, text) in split(product(&source)).1.into_iter().filter(|(_, text)| is_sql(text)) {
            assert!(path.starts_with("src/store/"), "{path}: {text}");
            statements += 1;
        }
    }
    assert!(statements > 60, "only {statements} statements found: this test no longer reads the sources");
}

/// The schema, its migrations, and every literal of the store.
fn all_sql() -> Vec<(String, String)> {
    let mut all = vec![("schema.sql".to_owned(), schema::SCHEMA.to_owned())];
    all.extend(schema::MIGRATIONS.iter().map(|step| ("a migration".to_owned(), (*step).to_owned())));
    for (path, source) in sources(&["src/store", "src/store.rs"]) {
        all.extend(split(product(&source)).1.into_iter().map(|(_, text)| (path.clone(), text)));
    }
    all
}

#[test]
fn sql_reads_no_clock_draws_nothing_and_holds_no_value() {
    for (path, sql) in all_sql() {
        let code: String = sql.lines().map(|line| line.split("--").next().unwrap()).collect::<Vec<_>>().join("\n");
        let folded = code.to_ascii_lowercase();
        for word in [
            "current_timestamp",
            "current_time",
            "current_date",
            "random(",
            "randomblob(",
            "'now'",
            "unixepoch(",
            "julianday(",
            "strftime(",
        ] {
            assert!(!folded.contains(word), "{path} has {word}: {sql}");
        }
        let dollars = code.match_indices('$').any(|(at, _)| code[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
        assert!(!dollars, "{path}: parameters are ?1, never $1: {sql}");
        if is_sql(&sql) {
            assert!(!sql.contains('{'), "{path}: SQL is constant text, its values are parameters: {sql}");
        }
    }
}

#[test]
fn every_table_is_strict_and_every_reference_has_its_index() {
    let database = rusqlite::Connection::open_in_memory().unwrap();
    database.execute_batch(schema::SCHEMA).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let loose =
        names("SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%'");
    assert!(loose.is_empty(), "not STRICT: {loose:?}");
    assert!(names("SELECT name FROM pragma_table_list WHERE strict = 1").len() >= 15);
    // Deleting a parent looks for its children: without an index that is a walk over the table.
    let unindexed = names(
        "SELECT t.name || '.' || f.\"from\" FROM pragma_table_list AS t JOIN pragma_foreign_key_list(t.name) AS f \
         WHERE f.seq = 0 AND t.schema = 'main' AND NOT EXISTS (\
           SELECT 1 FROM pragma_index_list(t.name) AS i JOIN pragma_index_info(i.name) AS c \
           WHERE c.seqno = 0 AND c.name = f.\"from\") \
         AND NOT EXISTS (SELECT 1 FROM pragma_table_info(t.name) AS p WHERE p.pk = 1 AND p.name = f.\"from\")",
    );
    assert!(unindexed.is_empty(), "references without an index: {unindexed:?}");
}

#[test]
fn every_statement_fits_the_schema() {
    let database = rusqlite::Connection::open_in_memory().unwrap();
    database.execute_batch(schema::SCHEMA).unwrap();
    let mut prepared = 0;
    for (path, source) in sources(&["src/store"]) {
        for (before, text) in split(product(&source)).1 {
            let before = before.trim_end();
            // The condition of a list's attribute stands inside another statement, and migrations have a test of their own.
            if before.ends_with("expr:") || path.ends_with("schema.rs") {
                continue;
            }
            // The parts of the macros below.
            if before.ends_with("concat!(") {
                assert!(text == GUARDED || text == UNCHANGED, "{path}: another macro makes statements: {text}");
                continue;
            }
            let whole = if before.ends_with("guarded_commit!(") {
                format!("{GUARDED}{text})")
            } else if before.ends_with("unchanged!(") {
                format!("{UNCHANGED}{text} WHERE id = ?1 AND revision = ?2)")
            } else if is_sql(&text) {
                text
            } else {
                continue;
            };
            // Several at once are run, not prepared.
            for statement in whole.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
                database.prepare(statement).unwrap_or_else(|error| panic!("{path}: {error}: {statement}"));
                prepared += 1;
            }
        }
    }
    assert!(prepared > 60, "only {prepared} statements were prepared");
}

/// What `guarded_commit!` puts in front of a condition.
const GUARDED: &str = "INSERT INTO audit_commit (id, at_ms, actor_id, actor_name, actor_type, reason, correlation, request_id, \
    changes, guard) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ";

/// What `unchanged!` puts in front of a table.
const UNCHANGED: &str = "UPDATE generation SET only_row = 2 WHERE NOT EXISTS (SELECT 1 FROM ";

#[test]
fn only_the_clock_reads_time_and_entropy() {
    for (path, source) in sources(&["src"]) {
        let (code, _) = split(product(&source));
        let reads = [
            "SystemTime",
            "Instant::now",
            "Timestamp::now",
            "Zoned::now",
            "SystemRandom",
            "rand::fill",
            "getrandom",
            "thread_rng",
            "OsRng",
        ];
        for word in reads.into_iter().filter(|word| code.contains(word)) {
            // The library's signatures take their randomness from the system, under an argument that says so.
            let is_signature = path == "src/signer/key.rs" && word == "SystemRandom";
            assert!(path == "src/clock.rs" || is_signature, "{path} names {word}");
        }
    }
}

#[test]
fn decisions_know_nothing_of_http() {
    let rooms = [
        "src/token.rs",
        "src/token",
        "src/policy.rs",
        "src/policy",
        "src/signer.rs",
        "src/signer",
        "src/store.rs",
        "src/store",
    ];
    for (path, source) in
        sources(&[&rooms[..], &["src/model", "src/model.rs", "src/admin", "src/admin.rs", "src/decision.rs"]].concat())
    {
        let (code, _) = split(product(&source));
        for word in ["actix", "crate::http", "HttpRequest", "HttpResponse", "StatusCode", "HeaderMap", "ureq"] {
            assert!(!code.contains(word), "{path} names {word}");
        }
    }
}

#[test]
fn arrows_point_down() {
    for (room, above) in [
        (
            &["src/store.rs", "src/store"][..],
            &["crate::app", "crate::token", "crate::policy::", "crate::signer", "crate::admin", "crate::http"][..],
        ),
        (
            &["src/model.rs", "src/model"],
            &["crate::app", "crate::store", "crate::signer", "crate::admin", "crate::http"],
        ),
        (&["src/signer.rs", "src/signer"], &["crate::app", "crate::token", "crate::admin", "crate::http"]),
        (&["src/token.rs", "src/token", "src/admin.rs", "src/admin"], &["crate::http"]),
    ] {
        for (path, source) in sources(room) {
            let (code, _) = split(product(&source));
            for name in above {
                assert!(!code.contains(name), "{path} reaches up to {name}");
            }
        }
    }
}
