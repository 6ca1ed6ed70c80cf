//! One channel for the root, however the rows come in.

use crate::support::mirror::Mirror;

async fn sales() -> Mirror {
    Mirror::of(
        "create table sales (region text, id integer, note text, primary key (region, id)) partition by list (region);
         create table north partition of sales for values in ('n');
         create table south (junk integer, note text, id integer not null, region text not null);
         alter table south drop column junk;
         select rowbell.watch('sales');
         alter table south add version bigint not null default 0, add last_synced_at timestamptz;
         alter table sales attach partition south for values in ('s');
         create table east partition of sales for values in ('e') partition by hash (id);
         create table east_0 partition of east for values with (modulus 1, remainder 0);",
    )
    .await
}

#[tokio::test]
async fn through_the_root_and_straight_to_a_leaf() {
    let mut sales = sales().await;
    let into = |table: &str, region: &str| {
        format!("insert into {table} (region, id, note) values ('{region}', 1, 'a')")
    };
    for (table, region) in [("sales", "n"), ("south", "s"), ("east_0", "e")] {
        let told = sales.told(&into(table, region)).await;
        assert_eq!(told, [format!(r#"insert ["{region}",1] {{"id":1,"note":"a","region":"{region}"}}"#)]);
    }
    assert_eq!(sales.told("update sales set note = 'b'").await.len(), 3);
    assert_eq!(sales.told("update sales set note = 'b'").await.len(), 0);
    assert_eq!(sales.told("update south set note = 'c'").await.len(), 1);
    assert_eq!(sales.told("delete from east").await, [r#"delete ["e",1]"#]);
    assert_eq!(sales.told("truncate sales").await, ["truncate -"]);
}

#[tokio::test]
async fn a_move_between_leaves() {
    let mut sales = sales().await;
    sales.told("insert into sales values ('n', 1, 'a')").await;
    for region in ["s", "e", "n"] {
        let told = sales.told(&format!("update sales set region = '{region}', note = note || '+'")).await;
        assert!(
            told.len() == 2 && told[0].starts_with("delete") && told[1].starts_with("insert"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn omitted_columns_of_a_leaf_in_another_order() {
    let mut users = Mirror::of(
        "create table users (id integer primary key, name text, secret text) partition by range (id);
         create table other (secret text, name text, id integer not null);
         alter table users attach partition other for values from (0) to (10);
         select rowbell.watch('users', omit => '{secret}')",
    )
    .await;
    assert_eq!(
        users.told("insert into users values (1, 'a', 'x')").await,
        [r#"insert 1 {"id":1,"name":"a"}"#]
    );
    users.write("alter table users add extra integer default 5").await;
    users.write("update users set name = 'b'").await;
    let commits = users.reader.drain().await;
    let row = commits[0].changes[0].row.as_ref().unwrap();
    assert!(row.contains("\"extra\":5") && !row.contains("secret"), "{row}");
}
