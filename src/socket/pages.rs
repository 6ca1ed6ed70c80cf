//! The pages: the console at `/`, the shop at `/demo`, and what they are made of, under `/web/`.

use futures::future::ready;
use warp::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS};
use warp::path::Tail;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::only_get;
use super::web::{SCRIPT, answer};

const PAGE: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// A page runs and loads what comes from here, talks to here, and is in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Paths of pages, and their texts.
const PAGES: [(&str, &str); 2] =
    [("", include_str!("../../web/console/index.html")), ("demo", include_str!("../../web/demo/index.html"))];

/// What pages are made of: the path under `/web/`, and the text.
const PARTS: [(&str, &str); 22] = [
    ("page/access.js", include_str!("../../web/page/access.js")),
    ("page/bell.svg", include_str!("../../web/page/bell.svg")),
    ("page/page.css", include_str!("../../web/page/page.css")),
    ("console/app.js", include_str!("../../web/console/app.js")),
    ("console/changes.js", include_str!("../../web/console/changes.js")),
    ("console/channels.js", include_str!("../../web/console/channels.js")),
    ("console/chart.js", include_str!("../../web/console/chart.js")),
    ("console/console.css", include_str!("../../web/console/console.css")),
    ("console/history.js", include_str!("../../web/console/history.js")),
    ("console/live.js", include_str!("../../web/console/live.js")),
    ("console/numbers.js", include_str!("../../web/console/numbers.js")),
    ("console/topic.js", include_str!("../../web/console/topic.js")),
    ("console/units.js", include_str!("../../web/console/units.js")),
    ("demo/app.js", include_str!("../../web/demo/app.js")),
    ("demo/demo.css", include_str!("../../web/demo/demo.css")),
    ("demo/gate.js", include_str!("../../web/demo/gate.js")),
    ("demo/order-dialog.js", include_str!("../../web/demo/order-dialog.js")),
    ("demo/orders.js", include_str!("../../web/demo/orders.js")),
    ("demo/outbox.js", include_str!("../../web/demo/outbox.js")),
    ("demo/panel.js", include_str!("../../web/demo/panel.js")),
    ("demo/shop.js", include_str!("../../web/demo/shop.js")),
    ("demo/stock.js", include_str!("../../web/demo/stock.js")),
];

/// `/`, `/demo` and `/web/{folder}/{name}`. Pages are no secret: they ask for the token themselves, and show nothing
/// without it.
pub(super) fn routes() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static
{
    let headers = warp::header::headers_cloned();
    // The path decides first, so that other paths keep their methods.
    let page = warp::path::tail().and_then(|path: Tail| {
        let page = PAGES.iter().find(|(known, _)| *known == path.as_str().trim_end_matches('/'));
        ready(page.map(|(_, text)| *text).ok_or_else(warp::reject::not_found))
    });
    let part = warp::path("web").and(warp::path::tail()).and_then(|path: Tail| {
        let part = PARTS.iter().find(|(known, _)| *known == path.as_str());
        ready(part.copied().ok_or_else(warp::reject::not_found))
    });
    let page = page.and(only_get()).and(headers).map(|text, headers: HeaderMap| page_of(text, &headers));
    let part = part
        .and(only_get())
        .and(headers)
        .map(|(name, text), headers: HeaderMap| answer(text, kind_of(name), &headers));
    part.or(page).unify()
}

fn page_of(text: &'static str, headers: &HeaderMap) -> Response {
    let mut reply = answer(text, PAGE, headers);
    let into = reply.headers_mut();
    into.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    into.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    into.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    reply
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => STYLE,
        Some("svg") => IMAGE,
        _ => SCRIPT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_part_is_embedded() {
        let embedded: BTreeSet<_> = PARTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut files = BTreeSet::new();
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
        for (name, text) in PAGES {
            for inline in ["<style", " style=", " onclick=", "<script>", "http://", "https://"] {
                assert!(!text.contains(inline), "{name}: {inline}");
            }
        }
    }
}
