//! The pages: the console at `/`, the shop at `/demo`, and what they are made of, under `/web/`.

use futures::future::ready;
use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS};
use warp::path::Tail;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::only_get;
use super::web::{Embedded, answer, embedded};

/// A page runs and loads what comes from here, talks to here, and is in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Pages by path.
const PAGES: [Embedded; 2] = [embedded!("", "console/index.html"), embedded!("demo", "demo/index.html")];

/// What pages are made of, by the path under `/web/`.
const PARTS: [Embedded; 23] = [
    embedded!("element.js", "element.js"),
    embedded!("page/access.js", "page/access.js"),
    embedded!("page/bell.svg", "page/bell.svg"),
    embedded!("page/page.css", "page/page.css"),
    embedded!("console/app.js", "console/app.js"),
    embedded!("console/changes.js", "console/changes.js"),
    embedded!("console/channels.js", "console/channels.js"),
    embedded!("console/chart.js", "console/chart.js"),
    embedded!("console/console.css", "console/console.css"),
    embedded!("console/history.js", "console/history.js"),
    embedded!("console/live.js", "console/live.js"),
    embedded!("console/numbers.js", "console/numbers.js"),
    embedded!("console/topic.js", "console/topic.js"),
    embedded!("console/units.js", "console/units.js"),
    embedded!("demo/app.js", "demo/app.js"),
    embedded!("demo/demo.css", "demo/demo.css"),
    embedded!("demo/gate.js", "demo/gate.js"),
    embedded!("demo/order-dialog.js", "demo/order-dialog.js"),
    embedded!("demo/orders.js", "demo/orders.js"),
    embedded!("demo/outbox.js", "demo/outbox.js"),
    embedded!("demo/panel.js", "demo/panel.js"),
    embedded!("demo/shop.js", "demo/shop.js"),
    embedded!("demo/stock.js", "demo/stock.js"),
];

/// `/`, `/demo` and `/web/{folder}/{name}`. Pages are no secret: they ask for the token themselves, and show nothing
/// without it.
pub(super) fn routes() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static
{
    let headers = warp::header::headers_cloned();
    // The path decides first, so that other paths keep their methods.
    let page = warp::path::tail().and_then(|path: Tail| {
        let page = PAGES.iter().find(|page| page.name == path.as_str().trim_end_matches('/'));
        ready(page.copied().ok_or_else(warp::reject::not_found))
    });
    let part = warp::path("web").and(warp::path::tail()).and_then(|path: Tail| {
        let part = PARTS.iter().find(|part| part.name == path.as_str());
        ready(part.copied().ok_or_else(warp::reject::not_found))
    });
    let page = page.and(only_get()).and(headers).map(|page, headers: HeaderMap| page_of(&page, &headers));
    let part = part.and(only_get()).and(headers).map(|part, headers: HeaderMap| answer(&part, &headers));
    part.or(page).unify()
}

fn page_of(page: &Embedded, headers: &HeaderMap) -> Response {
    let mut reply = answer(page, headers);
    let into = reply.headers_mut();
    into.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    into.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    into.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_part_is_embedded() {
        let embedded: BTreeSet<_> = PARTS.iter().map(|part| part.name.to_owned()).collect();
        let mut files = BTreeSet::from(["element.js".to_owned()]);
        for folder in ["page", "console", "demo"] {
            let directory = format!("{}/web/{folder}", env!("CARGO_MANIFEST_DIR"));
            for entry in std::fs::read_dir(directory).unwrap() {
                files.insert(format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap()));
            }
        }
        files.retain(|name| !name.ends_with(".html"));
        assert_eq!(files, embedded);
    }

    #[test]
    fn pages_hold_nothing_their_policy_forbids() {
        for page in PAGES {
            for inline in ["<style", " style=", " onclick=", "<script>", "http://", "https://"] {
                assert!(!page.text.contains(inline), "{}: {inline}", page.name);
            }
        }
    }
}
