//! Tables and columns with names that would break careless code.

use crate::support::mirror::Mirror;

/// Our own variables, words of plpgsql, and what quoting and `format` stumble over.
const COLUMNS: &[&str] = &[
    "row",
    "old",
    "new",
    "key",
    "number",
    "image",
    "former",
    "former_key",
    "former_version",
    "moved",
    "writer",
    "office",
    "tg_op",
    "TG_OP",
    "channel",
    "w",
    "r",
    "l",
    "c",
    "x",
    "subject",
    "found_key",
    "found_image",
    "select",
    "Mixed Case",
    "a\"b",
    "a.b",
    "a%sb",
    "%1$I",
    "%",
    "$f$",
    "$body$",
    "a'b",
    "a\\b",
    "{a}",
    "a,b",
    "?",
    ":x",
    "$1",
    "é",
    " ",
    "value",
    "json",
    "seq",
    "actor",
    "branch",
    "op",
    "row_id",
    "xid",
    "slot",
];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[tokio::test]
async fn columns_of_any_name() {
    let list: Vec<String> = COLUMNS.iter().map(|name| format!("{} text", quoted(name))).collect();
    let mut odd = Mirror::of("").await;
    for watch in
        ["", ", omit => '{number,\"a.b\"}'", ", feed_only => true", ", version_column => 'a version\"%'"]
    {
        odd.again(&format!(
            "drop table if exists odd; create table odd (id integer primary key, {}); select rowbell.watch('odd'{watch})",
            list.join(", ")
        ))
        .await;
        odd.told("insert into odd values (1)").await;
        for name in COLUMNS.iter().filter(|name| !watch.contains("omit") || !["number", "a.b"].contains(name))
        {
            let told = odd.told(&format!("update odd set {} = 'set'", quoted(name))).await;
            let set = told.len() == 1
                && told[0].contains(&format!("{}:\"set\"", serde_json::to_string(name).unwrap()));
            assert!(set, "{name}: {told:?}");
        }
        assert_eq!(odd.told("delete from odd").await, ["delete 1"]);
    }
}

#[tokio::test]
async fn keys_of_any_name() {
    let mut odd = Mirror::of("").await;
    for name in COLUMNS {
        let column = quoted(name);
        odd.again(&format!(
            "drop table if exists odd; create table odd ({column} integer, \"Second\" integer, primary key ({column}, \"Second\"), v integer, g integer generated always as (v) stored);
             select rowbell.watch('odd')"
        ))
        .await;
        odd.told("insert into odd values (1, 2)").await;
        assert_eq!(odd.told("delete from odd").await, ["delete [1,2]"], "{name}");
    }
}

#[tokio::test]
async fn generated_columns_of_any_name() {
    let list: Vec<String> = COLUMNS
        .iter()
        .map(|name| format!("{} integer generated always as (id * 2) stored", quoted(name)))
        .collect();
    let mut odd = Mirror::of(&format!(
        "create table odd (id integer primary key, note text, {}); select rowbell.watch('odd')",
        list.join(", ")
    ))
    .await;
    odd.told("insert into odd values (1, 'a')").await;
    assert_eq!(odd.told("update odd set note = 'a'").await.len(), 0);
    assert_eq!(odd.told("update odd set note = 'b'").await.len(), 1);
}

#[tokio::test]
async fn tables_of_any_name() {
    let mut odd = Mirror::of("create schema \"My schema\"").await;
    for name in ["Mixed Case", "a\"b", "a.b", "a%s%1$I", "$body$", "a'b", "new", "sync_log", "watched"] {
        let table = format!("{}.{}", quoted("My schema"), quoted(name));
        odd.again(&format!(
            "create table {table} (id integer primary key);
             select rowbell.watch({}, channel => 'odd')",
            format_args!("'{}'", table.replace('\'', "''"))
        ))
        .await;
        assert_eq!(odd.told(&format!("insert into {table} values (1)")).await, [r#"insert 1 {"id":1}"#]);
        assert_eq!(odd.told(&format!("truncate {table}")).await, ["truncate -"]);
        odd.write("select rowbell.resync('odd')").await;
        assert_eq!(odd.tell().await, ["resync -"]);
        odd.write(&format!("select rowbell.unwatch('{}')", table.replace('\'', "''"))).await;
    }
}
