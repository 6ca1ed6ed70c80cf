//! The business tables: installed by many, refused where something is in the way, and what their rules allow.

use futures::future::join_all;
use rowbell::pg::business::{business_status, install_business};
use rowbell::pg::catalog::channels;
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, ClusterOptions};
use rowbell::pg::migrate::migrate_up;
use rowbell::words::Error;

use crate::support::cluster::database;
use crate::support::database::Database;
use crate::support::mirror::Mirror;
use crate::support::program::Running;
use crate::support::scratch::Scratch;
use crate::support::socket::Socket;
use crate::support::soon;

/// As the protocol names them.
const CHANNELS: [&str; 15] = [
    "appointments",
    "attendance",
    "bonus",
    "branches",
    "cash-requests",
    "clients",
    "employees",
    "leave",
    "notifications",
    "orders",
    "products",
    "reports",
    "stock-movements",
    "stock-requests",
    "users",
];

async fn names(connector: &Connector, sql: &str) -> Vec<String> {
    let link = connector.connect("test").await.unwrap();
    link.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// A database with the business tables, empty.
async fn business() -> Database {
    let database = Database::new().await;
    install_business(&database.connector).await.expect("installs");
    database
}

#[tokio::test]
async fn they_are_made_once_and_watched() {
    let connector = database().await;
    assert_eq!(business_status(&connector).await.unwrap(), None);
    let first = install_business(&connector).await.unwrap();
    assert!(first.schema[0] == "V1__installation" && first.business[0].starts_with("V1__"), "{first:?}");
    let again = install_business(&connector).await.unwrap();
    assert!(again.schema.is_empty() && again.business.is_empty(), "{again:?}");
    let status = business_status(&connector).await.unwrap().expect("they are there");
    assert!(status.at == status.needs && status.pending.is_empty(), "{status:?}");

    let link = connector.connect("test").await.unwrap();
    let watched = channels(&link.client).await.unwrap();
    assert_eq!(watched.iter().map(|channel| &*channel.name).collect::<Vec<_>>(), CHANNELS);
    for channel in &watched {
        assert_eq!(channel.table, channel.name.replace('-', "_"));
        assert_eq!(
            (&channel.key_columns[..], channel.version_column.as_deref()),
            (&["id".to_owned()][..], Some("version"))
        );
        assert_eq!(channel.omit.join(","), if &*channel.name == "users" { "password_hash" } else { "" });
    }
    // Declared by the tables themselves, so that unwatch leaves them.
    assert!(
        names(&connector, "select channel from rowbell.watched where added_columns <> '{}'").await.is_empty()
    );
}

#[tokio::test]
async fn a_database_gets_them_only_when_asked() {
    let connector = database().await;
    migrate_up(&connector).await.unwrap();
    assert!(
        names(&connector, "select relname::text from pg_class where relnamespace = 'public'::regnamespace")
            .await
            .is_empty()
    );
    assert_eq!(business_status(&connector).await.unwrap(), None);
}

#[tokio::test]
async fn six_at_once_all_succeed_and_one_works() {
    let connector = database().await;
    let done = join_all((0..6).map(|_| install_business(&connector))).await;
    let applied: Vec<usize> = done.into_iter().map(|done| done.expect("installs").business.len()).collect();
    assert_eq!(applied.iter().filter(|count| **count > 0).count(), 1, "{applied:?}");
}

async fn refused(connector: &Connector) -> Error {
    let error = install_business(connector).await.expect_err("something is in the way");
    assert!(error.is_refused(), "{error:?}");
    assert_eq!(business_status(connector).await.unwrap(), None);
    error
}

#[tokio::test]
async fn tables_of_the_users_are_named_and_nothing_is_changed() {
    let connector = database().await;
    let link = connector.connect("test").await.unwrap();
    let theirs =
        "create table orders (id integer); create type leave as enum ('yes'); create view users as select 1;
        create sequence bonus; create schema shop; create table shop.clients (id integer)";
    link.client.batch_execute(theirs).await.unwrap();
    let told = refused(&connector).await.report();
    let listed = "nothing was changed: in the way of the business tables are public.bonus, public.leave, public.orders, public.users";
    assert!(told.starts_with(listed) && told.contains("a database of their own"), "{told}");
    assert!(
        names(&connector, "select nspname::text from pg_namespace where nspname = 'rowbell'")
            .await
            .is_empty()
    );
    link.client
        .batch_execute("drop table orders; drop type leave; drop view users; drop sequence bonus")
        .await
        .unwrap();
    install_business(&connector).await.expect("nothing is in the way any more");
    install_business(&connector).await.expect("its own tables are not in the way");
}

#[tokio::test]
async fn a_channel_that_is_taken_is_named() {
    let database = Database::new().await;
    let sql = "create schema shop; create table shop.orders (id int primary key); create table shop.leave (id int primary key);
        select rowbell.watch('shop.orders'); select rowbell.watch('shop.leave'); drop table shop.leave";
    database.run(sql).await;
    let told = refused(&database.connector).await.report();
    assert!(told.contains("business tables are channel orders of shop.orders; give them"), "{told}");
    database.run("select rowbell.unwatch('shop.orders')").await;
    install_business(&database.connector).await.expect("the channel is free");
}

#[tokio::test]
async fn a_failure_on_the_way_says_why_and_leaves_no_table() {
    let database = Database::new().await;
    database.run("create sequence public.appointments_starts").await;
    let error = install_business(&database.connector).await.expect_err("the last index has its name taken");
    let told = error.report();
    assert!(told.contains("could not bring the business schema up to date"), "{told}");
    assert!(told.contains("relation \"appointments_starts\" already exists (42P07)"), "{told}");
    assert!(names(&database.connector, "select channel from rowbell.channel").await.is_empty());
    assert_eq!(business_status(&database.connector).await.unwrap(), None);
    database.run("drop sequence public.appointments_starts").await;
    install_business(&database.connector).await.expect("tried again");
}

#[tokio::test]
async fn migrations_of_another_build_are_told() {
    let database = business().await;
    database.run("update rowbell.business_migration set checksum = '1' where version = 2").await;
    let told = install_business(&database.connector).await.expect_err("another V2").report();
    assert!(
        told.contains("V2__products_and_orders is different") && told.contains("another build"),
        "{told}"
    );
    database.run("update rowbell.business_migration set version = 99 where version = 5").await;
    let told = install_business(&database.connector).await.expect_err("a later one").report();
    assert!(
        told.contains("the business schema is at 99, this program knows only") && told.contains("newer"),
        "{told}"
    );
}

/// What every table must have, and in which form.
const COLUMNS: &str = "
    select format('%s lacks %s', c.channel, w.name)
    from rowbell.channel c
    cross join (values
        ('id', 'uuid', true, 'gen_random_uuid()'),
        ('created_at', 'timestamp with time zone', true, 'now()'),
        ('updated_at', 'timestamp with time zone', true, 'now()'),
        ('version', 'bigint', true, '0'),
        ('last_synced_at', 'timestamp with time zone', false, null)
    ) w(name, type, required, value)
    where not exists (
        select from pg_attribute a
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = c.\"table\" and a.attname = w.name and format_type(a.atttypid, a.atttypmod) = w.type
            and a.attnotnull = w.required and pg_get_expr(d.adbin, d.adrelid) is not distinct from w.value
    )";

/// Foreign keys no index begins with; deleting what they refer to would read the whole table. A partial index
/// will do if it leaves out only rows whose key is null.
const UNINDEXED: &str = "
    select format('%s.%s', f.conrelid::regclass, a.attname)
    from pg_constraint f
    join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
    where f.contype = 'f' and f.connamespace = 'public'::regnamespace and not exists (
        select from pg_index i
        where i.indrelid = f.conrelid and i.indkey[0] = f.conkey[1] and cardinality(f.conkey) = 1
            and coalesce(pg_get_expr(i.indpred, i.indrelid), '') in ('', format('(%I IS NOT NULL)', a.attname))
    )";

const UNCOMMENTED: &str = "
    select c.channel from rowbell.channel c where obj_description(c.\"table\", 'pg_class') is null";

const LOOSE_MONEY: &str = "
    select format('%s.%s', c.channel, a.attname)
    from rowbell.channel c
    join pg_attribute a on a.attrelid = c.\"table\"
    where a.attname in ('price', 'cost', 'total', 'amount', 'revenue', 'cash')
        and format_type(a.atttypid, a.atttypmod) <> 'numeric(12,2)'";

#[tokio::test]
async fn all_have_the_same_bookkeeping_and_no_foreign_key_lacks_an_index() {
    let database = business().await;
    for sql in [COLUMNS, UNINDEXED, UNCOMMENTED, LOOSE_MONEY] {
        assert_eq!(names(&database.connector, sql).await, Vec::<String>::new());
    }
    let keys = "select count(*)::text from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace";
    assert_eq!(names(&database.connector, keys).await, ["33"]);
}

/// One row in every table, each naming the ones before it.
const ROWS: &str = "
    insert into branches (name) values ('North');
    insert into employees (name) values ('Anna');
    update employees set branch_id = (select id from branches);
    insert into users (name, email, password_hash) values ('Anna', 'anna@shop.example', 'secret');
    insert into clients (name) values ('Ben');
    insert into products (name) values ('Broom');
    insert into orders (branch_id, client_id, employee_id) select b.id, c.id, e.id from branches b, clients c, employees e;
    insert into reports (branch_id) select id from branches;
    insert into stock_requests (product_id, quantity) select id, 5 from products;
    insert into stock_movements (product_id, kind, quantity, order_id) select p.id, 'sale', -1, o.id from products p, orders o;
    insert into attendance (employee_id) select id from employees;
    insert into leave (employee_id, starts_on, ends_on) select id, current_date, current_date from employees;
    insert into bonus (employee_id, amount) select id, 50 from employees;
    insert into cash_requests (amount, purpose) values (12.50, 'Stamps');
    insert into notifications (title, user_id) select 'Hello', id from users;
    insert into appointments (title, starts_at, client_id) select 'Blinds', now(), id from clients";

/// An empty database with the business tables, and what its log says.
async fn mirror() -> Mirror {
    let mut mirror = Mirror::of("").await;
    install_business(&mirror.database.connector).await.expect("installs");
    mirror.again("").await;
    mirror
}

#[tokio::test]
async fn a_name_is_enough_and_every_change_reaches_the_log() {
    let mut mirror = mirror().await;
    let told = mirror.told(ROWS).await;
    assert_eq!(told.len(), 16, "{told:?}");
    assert!(!told.join(" ").contains("secret") && told[3].contains("anna@shop.example"), "{told:?}");
    for channel in CHANNELS {
        let table = channel.replace('-', "_");
        mirror.write(&format!("update {table} set created_at = created_at - interval '1 day', updated_at = null, version = 7")).await;
        let changes = mirror.changes().await;
        assert!(changes.len() == 1 && &*changes[0].channel == channel, "{changes:?}");
    }
    let told = mirror.told("delete from users").await;
    assert!(told.iter().any(|line| line.starts_with("delete")) && told.len() == 2, "{told:?}");
}

/// Statements, and the constraint that refuses each.
const REFUSED: [(&str, &str); 24] = [
    ("insert into branches (name) values (' ')", "branches_name"),
    (
        "update branches set code = 'N'; insert into branches (name, code) values ('South', 'N')",
        "branches_code",
    ),
    ("update employees set left_on = hired_on - 1", "employees_dates"),
    ("update employees set status = 'gone'", "employees_status"),
    ("update employees set branch_id = gen_random_uuid()", "employees_branch_fk"),
    ("insert into users (name, email) values ('B', 'ANNA@shop.example')", "users_email"),
    ("insert into users (name, email) values ('B', 'nowhere')", "users_email_form"),
    ("delete from clients", "orders_client_fk"),
    ("update products set price = -1", "products_price"),
    ("update orders set items = '{}'", "orders_items"),
    ("update orders set items = 'null'", "orders_items"),
    ("update orders set total = -0.01", "orders_total"),
    ("update orders set status = 'lost'", "orders_status"),
    ("update orders set payment_method = 'shells'", "orders_payment_method"),
    ("update reports set products = '\"none\"'", "reports_products"),
    ("update stock_requests set quantity = 0", "stock_requests_quantity"),
    ("update stock_movements set quantity = 1", "stock_movements_direction"),
    ("delete from products", "stock_requests_product_fk"),
    ("update attendance set clock_in = now(), clock_out = now()", "attendance_times"),
    ("update leave set ends_on = starts_on - 1", "leave_dates"),
    ("update bonus set month = '2026-05-02'", "bonus_month"),
    ("update cash_requests set amount = 0", "cash_requests_amount"),
    ("update notifications set kind = 'spam'", "notifications_kind"),
    ("update appointments set ends_at = starts_at", "appointments_times"),
];

#[tokio::test]
async fn rules_refuse_what_cannot_be() {
    let database = business().await;
    database.run(ROWS).await;
    let link = database.link().await;
    for (sql, constraint) in REFUSED {
        let error = link.client.batch_execute(&format!("begin; {sql}")).await.expect_err(sql);
        let named = error.as_db_error().and_then(|said| said.constraint());
        assert_eq!(named, Some(constraint), "{sql}: {error:?}");
        link.client.batch_execute("rollback").await.unwrap();
    }
    database.run("update orders set items = '[{\"name\": \"Broom\"}]', total = 9.95; update reports set products = '[]'").await;
    let day = "select date::text from reports where date >= current_date and date < current_date + 1 and date = current_date";
    assert_eq!(names(&database.connector, day).await.len(), 1);
    // A client may choose the key.
    database
        .run("insert into clients (id, name) values ('6f1c0000-0000-4000-8000-000000000001', 'Cleo')")
        .await;
}

#[tokio::test]
async fn the_private_postgresql_has_them_from_the_start() {
    let scratch = Scratch::new("business");
    let (_server, port) = Running::serve(scratch.path(), None).await;
    let url = Cluster::find_running(&scratch.join(".rowbell")).await.unwrap().expect("it runs");
    let (mut socket, _) = Socket::subscribed(port, "cash-requests,clients").await;
    let link = Connector::parse(&url).unwrap().connect("test").await.unwrap();
    link.client.batch_execute("insert into clients (name) values ('Ben')").await.unwrap();
    assert_eq!(socket.changes(1).await.0[0]["row"]["name"], "Ben");
}

#[tokio::test]
async fn a_private_postgresql_with_tables_of_the_users_is_served_without_them() {
    let scratch = Scratch::new("theirs");
    let options = ClusterOptions { directory: scratch.join(".rowbell"), ..ClusterOptions::default() };
    let cluster = Cluster::open(&options).await.expect("starts");
    let connector = Connector::parse(&cluster.url()).unwrap();
    migrate_up(&connector).await.unwrap();
    let link = connector.connect("test").await.unwrap();
    let sql = "create table orders (id int primary key); select rowbell.watch('orders')";
    link.client.batch_execute(sql).await.unwrap();
    drop(cluster);
    let (mut server, port) = Running::serve(scratch.path(), None).await;
    let mut warned = String::new();
    while !warned.contains("without the business tables") {
        warned = soon(server.err.next_line()).await.unwrap().expect("it warns");
    }
    assert!(warned.contains("public.orders") && warned.contains("WARN"), "{warned}");
    let (mut socket, _) = Socket::subscribed(port, "orders").await;
    link.client.batch_execute("insert into orders values (1)").await.unwrap();
    assert_eq!(socket.changes(1).await.0[0]["id"], "1");
}
