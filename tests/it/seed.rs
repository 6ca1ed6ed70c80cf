//! The seed: a shop chain that adds up, or nothing.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;
use rowbell::pg::business::install_business;
use rowbell::pg::connect::Connector;
use rowbell::pg::seed::seed;

use crate::support::database::Database;
use crate::support::program::{Running, rowbell};
use crate::support::soon;

/// Rows each table should have at least and at most.
const EXPECTED: [(&str, u64, u64); 15] = [
    ("branches", 4, 4),
    ("employees", 60, 60),
    ("users", 12, 12),
    ("clients", 400, 400),
    ("products", 150, 150),
    ("orders", 2500, 2500),
    ("reports", 400, 416),
    ("stock_requests", 120, 120),
    ("stock_movements", 1500, 2400),
    ("leave", 60, 90),
    ("attendance", 2300, 2700),
    ("bonus", 80, 120),
    ("cash_requests", 60, 60),
    ("notifications", 30, 150),
    ("appointments", 150, 150),
];

/// What must not be there. Each question answers with the rows that break its rule. `updated_at` is the time of the
/// seed, since which a day may have begun.
const ODD: [(&str, &str); 14] = [
    (
        "an order whose total is not the sum of its items",
        "select o.reference from orders o
         where o.total is distinct from (select sum(i.amount) from jsonb_to_recordset(o.items) i(amount numeric))",
    ),
    (
        "an item whose amount, price or name is not the product's",
        "select o.reference from orders o, jsonb_to_recordset(o.items)
             i(product_id uuid, name text, quantity integer, price numeric, amount numeric)
         left join products p on p.id = i.product_id
         where (i.amount, i.price, i.name) is distinct from (i.quantity * p.price, p.price, p.name)",
    ),
    (
        "an order outside opening hours",
        "select reference from orders where extract(isodow from created_at) = 7 or created_at > now()
             or created_at::time not between '09:00' and '18:00' or created_at < updated_at::date - 119",
    ),
    (
        "an order paid for and yet not, or the other way round",
        "select reference from orders
         where (status in ('paid', 'completed', 'refunded')) <> (paid_at is not null and payment_method is not null)",
    ),
    (
        "an order served by somebody of another branch, or sold to a client of another",
        "select o.reference from orders o join employees e on e.id = o.employee_id left join clients c on c.id = o.client_id
         where e.branch_id <> o.branch_id or c.branch_id <> o.branch_id",
    ),
    (
        "a report that does not add up to the orders of its day",
        "select r.date::text from reports r cross join lateral (
             select count(*) as orders_count, coalesce(sum(o.total), 0) as revenue,
                 coalesce(sum(o.total) filter (where o.payment_method = 'cash'), 0) as cash
             from orders o
             where o.branch_id = r.branch_id and o.created_at::date = r.date and o.status in ('paid', 'completed')) o
         where (r.orders_count, r.revenue, r.cash) is distinct from (o.orders_count, o.revenue, o.cash)",
    ),
    (
        "a day of a branch without its one report",
        "select b.name from branches b join orders o on o.branch_id = b.id and o.created_at < o.updated_at::date
         where 1 <> (select count(*) from reports r where r.branch_id = b.id and r.date = o.created_at::date)",
    ),
    (
        "less than nothing on a shelf",
        "select branch_id::text from stock_movements group by branch_id, product_id having sum(quantity) < 0",
    ),
    (
        "attendance on a Sunday, after leaving, in the future, or on a sixth day of the week",
        "select a.date::text from attendance a join employees e on e.id = a.employee_id
         where extract(isodow from a.date) = 7 or a.date >= e.left_on or a.date > current_date or a.clock_out > now()
         union all
         select max(a.date)::text from attendance a group by a.employee_id, date_trunc('week', a.date) having count(*) > 5",
    ),
    (
        "attendance during leave",
        "select a.date::text from attendance a join leave l on l.employee_id = a.employee_id
             and l.status = 'approved' and a.date between l.starts_on and l.ends_on
         where a.status <> 'leave'",
    ),
    (
        "somebody hired before their branch opened",
        "select e.name from employees e join branches b on b.id = e.branch_id where e.hired_on < b.opened_on",
    ),
    ("an appointment on a Sunday", "select title from appointments where extract(isodow from starts_at) = 7"),
    (
        "a past appointment still to come, or a coming one done",
        "select title from appointments
         where (ends_at < updated_at) <> (status in ('done', 'missed')) and status <> 'cancelled'",
    ),
    (
        "a notification about a row that is not there",
        "select n.title from notifications n where n.row_id not in (
             select id::text from orders union all select id::text from stock_requests
             union all select id::text from leave union all select id::text from reports)",
    ),
];

/// The same in every database on every day.
const SAME: &str = "
    select md5(string_agg(row::text, ' ' order by row::text)) from (
        select (o.id, o.items, o.total, o.client_id) from orders o
        union all select (c.id, c.name, c.address) from clients c
        union all select (e.id, e.name, e.email) from employees e
        union all select (p.id, p.sku, p.name, p.price, p.cost) from products p
    ) x(row)";

async fn business() -> Database {
    let database = Database::new().await;
    install_business(&database.connector).await.expect("installs");
    database
}

async fn texts(connector: &Connector, sql: &str) -> Vec<String> {
    let link = connector.connect("test").await.unwrap();
    link.client
        .query(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// How many rows the business tables hold, and how many changes the log.
async fn rows(connector: &Connector) -> (u64, u64) {
    let mut total = 0;
    for (table, ..) in EXPECTED {
        total +=
            texts(connector, &format!("select count(*)::text from {table}")).await[0].parse::<u64>().unwrap();
    }
    let logged = "select count(*)::text from rowbell.changes where op = 'insert' and actor = 'seed'";
    (total, texts(connector, logged).await[0].parse().unwrap())
}

#[tokio::test]
async fn a_shop_chain_that_adds_up() {
    let database = business().await;
    let mut told = BTreeMap::new();
    let total = seed(&database.connector, |table, rows| {
        told.insert(table, rows);
        Ok(())
    });
    let total = total.await.expect("seeds");
    assert_eq!(told.len(), 15);
    for (table, least, most) in EXPECTED {
        assert!((least..=most).contains(&told[table]), "{table}: {}", told[table]);
    }
    assert_eq!(told.values().sum::<u64>(), total);
    assert!((8000..=10_000).contains(&total), "{total}");
    assert_eq!(rows(&database.connector).await, (total, total));
    for (what, sql) in ODD {
        assert_eq!(texts(&database.connector, sql).await, Vec::<String>::new(), "{what}");
    }
    let ahead = "select count(*)::text from appointments where starts_at > now()";
    assert_ne!(texts(&database.connector, ahead).await, ["0"]);
    let statuses = "select distinct status from orders order by status";
    let all = ["cancelled", "completed", "held", "open", "paid", "refunded"];
    assert_eq!(texts(&database.connector, statuses).await, all);

    let again = seed(&database.connector, |_, _| Ok(())).await.expect_err("there are rows");
    assert!(again.is_refused() && again.report().contains("nothing was changed"), "{again:?}");
    assert_eq!(rows(&database.connector).await, (total, total));
}

#[tokio::test]
async fn it_is_the_same_everywhere_and_only_once() {
    let (one, other) = (business().await, business().await);
    let both = tokio::join!(seed(&one.connector, |_, _| Ok(())), seed(&one.connector, |_, _| Ok(())));
    assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
    let late = both.0.err().or(both.1.err()).expect("one of them");
    assert!(late.report().contains("there are rows already in branches, employees"), "{late:?}");
    seed(&other.connector, |_, _| Ok(())).await.expect("seeds");
    assert_eq!(texts(&one.connector, SAME).await, texts(&other.connector, SAME).await);
}

#[tokio::test]
async fn a_single_row_is_enough_to_be_left_alone() {
    let database = business().await;
    database.run("insert into cash_requests (amount, purpose) values (1, 'Stamps')").await;
    let told = seed(&database.connector, |_, _| Ok(())).await.expect_err("there is a row").report();
    assert!(told.contains("rows already in cash_requests; seed a database"), "{told}");
    assert_eq!(rows(&database.connector).await, (1, 0));
}

#[tokio::test]
async fn a_failure_on_the_way_leaves_nothing() {
    let database = business().await;
    database.run("alter table appointments add constraint never check (title = '')").await;
    let told = seed(&database.connector, |_, _| Ok(())).await.expect_err("the last table fails").report();
    assert!(
        told.contains("could not seed appointments, nothing was kept") && told.contains("\"never\""),
        "{told}"
    );
    assert_eq!(rows(&database.connector).await, (0, 0));
    database.run("alter table appointments drop constraint never").await;
    seed(&database.connector, |_, _| Ok(())).await.expect("tried again");
}

#[tokio::test]
async fn killed_on_the_way_it_leaves_nothing() {
    let database = business().await;
    let blocker = database.link().await;
    blocker.client.batch_execute("begin; lock table appointments in share mode").await.unwrap();
    let mut command = rowbell(&["seed"]);
    command.env("DATABASE_URL", &database.url);
    let mut running = Running::start(command);
    running.out_with("notifications").await;
    running.signal(Signal::SIGKILL);
    assert_eq!(running.end().await, None);
    blocker.client.batch_execute("rollback").await.unwrap();
    // The server notices when it writes to the one who is gone, and then lets go of the lock a seed holds.
    soon(seed(&database.connector, |_, _| Ok(()))).await.expect("nothing was kept");
    let (total, logged) = rows(&database.connector).await;
    assert_eq!(total, logged);
}

#[tokio::test]
async fn without_the_tables_it_says_how_to_get_them() {
    let database = Database::new().await;
    let told = seed(&database.connector, |_, _| Ok(())).await.expect_err("no tables").report();
    assert_eq!(told, "the business tables are not in this database; rowbell migrate --business makes them");
}
