//! Triggers of the user's own, before, after and around ours.

use crate::support::mirror::Mirror;

/// Row triggers on `item` whose bodies the tests give.
async fn item(triggers: &[(&str, &str, &str)]) -> Mirror {
    let mut sql = "create table item (id integer primary key, note text); ".to_owned();
    for (number, (name, events, body)) in triggers.iter().enumerate() {
        sql.push_str(&format!(
            "create function act_{number}() returns trigger language plpgsql as
             $f$ begin {body}; return coalesce(new, old); end $f$;
             create trigger \"{name}\" {events} on item for each row execute function act_{number}();"
        ));
    }
    Mirror::of(&format!("{sql} select rowbell.watch('item')")).await
}

#[tokio::test]
async fn a_trigger_that_changes_the_row_again() {
    for name in [" first", "a", "~last"] {
        let again =
            "if new.note not like '%+' then update item set note = note || '+' where id = new.id; end if";
        let mut item = item(&[(name, "after insert or update", again)]).await;
        assert_eq!(
            item.told("insert into item values (1, 'a')").await,
            [r#"insert 1 {"id":1,"note":"a"}"#, r#"update 1 {"id":1,"note":"a+"}"#],
            "{name}"
        );
        assert_eq!(item.told("update item set note = 'b'").await.len(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_trigger_that_changes_another_row_of_the_statement() {
    for name in [" first", "a"] {
        let other = "if new.id = 1 then update item set note = note || '+' where id = 2; end if";
        let mut item = item(&[(name, "after insert or update", other)]).await;
        assert_eq!(
            item.told("insert into item values (1, 'a'), (2, 'b')").await,
            [
                r#"insert 1 {"id":1,"note":"a"}"#,
                r#"insert 2 {"id":2,"note":"b"}"#,
                r#"update 2 {"id":2,"note":"b+"}"#
            ],
            "{name}"
        );
        assert_eq!(item.told("update item set note = 'c'").await.len(), 3);
    }
}

#[tokio::test]
async fn a_trigger_that_deletes_the_row() {
    for name in [" first", "a"] {
        let mut item = item(&[(name, "after insert", "delete from item where note = 'b'")]).await;
        // The second row is gone before its own triggers fire.
        assert_eq!(
            item.told("insert into item values (1, 'b'), (2, 'b')").await,
            [r#"insert 1 {"id":1,"note":"b"}"#, r#"insert 2 {"id":2,"note":"b"}"#, "delete 1", "delete 2"],
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_trigger_that_makes_the_row_again() {
    for name in [" first", "a"] {
        let again = "insert into item values (old.id, old.note || '+')";
        let mut item = item(&[(name, "after delete", again)]).await;
        item.told("insert into item values (1, 'a'), (2, 'b')").await;
        let told = item.told("delete from item").await;
        assert_eq!(told.len(), 4, "{name}: {told:?}");
        let told =
            item.told("begin; delete from item where id = 1; delete from item where id = 1; commit").await;
        assert_eq!(told.len(), 4, "{name}: {told:?}");
    }
}

#[tokio::test]
async fn what_a_before_trigger_makes_of_the_row_is_told() {
    for name in ["a", "zz", "~"] {
        let mut item = item(&[(name, "before insert or update", "new.note := upper(new.note)")]).await;
        assert_eq!(item.told("insert into item values (1, 'a')").await, [r#"insert 1 {"id":1,"note":"A"}"#]);
        assert_eq!(item.told("update item set note = 'a'").await, [""; 0], "{name}");
        assert_eq!(item.told("update item set note = 'b'").await, [r#"update 1 {"id":1,"note":"B"}"#]);
    }
}

#[tokio::test]
async fn a_trigger_after_our_last_one_hides_nothing() {
    let stubborn = "if new.note = 'quiet' then new.note := 'loud'; end if";
    let mut item = item(&[("~z", "before update", stubborn)]).await;
    item.told("insert into item values (1, 'quiet')").await;
    // For us nothing had changed yet, so the version stayed; the change is told all the same.
    item.write("update item set note = 'quiet'").await;
    let commits = item.reader.drain().await;
    let change = &commits[0].changes[0];
    assert!(change.row.as_ref().unwrap().contains("loud") && change.old.as_ref().unwrap().contains("quiet"));
}

#[tokio::test]
async fn a_write_a_trigger_refuses_is_not_told() {
    let skip = "if new.id = 1 then return null; elsif new.id = 2 then raise 'no'; end if";
    let mut item = item(&[("a", "before insert", skip)]).await;
    assert_eq!(item.told("insert into item values (1, 'a'), (3, 'c')").await.len(), 1);
    assert_eq!(item.refused("insert into item values (4, 'a'), (2, 'c')").await, "P0001");
    assert_eq!(item.tell().await, [""; 0]);
}

#[tokio::test]
async fn a_deferred_trigger_writes_at_commit() {
    let mut item = item(&[]).await;
    item.write(
        "create function late() returns trigger language plpgsql as
             $$ begin update item set note = 'late' where id = new.id and note <> 'late'; return null; end $$;
         create constraint trigger late after insert on item deferrable initially deferred
             for each row execute function late()",
    )
    .await;
    let told =
        item.told("begin; insert into item values (1, 'a'); insert into item values (2, 'b'); commit").await;
    assert_eq!(told.len(), 4);
    assert_eq!(told[3], r#"update 2 {"id":2,"note":"late"}"#);
}
