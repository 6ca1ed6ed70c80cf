//! The body of a request at any edge: read only when it is wanted, and no further than its limit.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::{Stream, TryStreamExt};
use tokio::time::timeout;
use warp::http::StatusCode;
use warp::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};

use crate::problem::Problem;
use crate::words::RowBody;

/// How large a body may be, in bytes, and how long it may take to arrive.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes.
    pub limit: usize,
    /// From the first look at it.
    pub wait: Duration,
}

/// A body that nobody has read yet.
pub struct Incoming(Pin<Box<dyn Stream<Item = Result<BytesMut, warp::Error>> + Send>>);

impl Incoming {
    /// From the chunks as they arrive.
    pub fn new<B: Buf>(stream: impl Stream<Item = Result<B, warp::Error>> + Send + 'static) -> Self {
        let chunks = stream.map_ok(|mut chunk| {
            let mut bytes = BytesMut::with_capacity(chunk.remaining());
            while chunk.has_remaining() {
                let part = chunk.chunk();
                bytes.extend_from_slice(part);
                let length = part.len();
                chunk.advance(length);
            }
            bytes
        });
        Self(Box::pin(chunks))
    }

    /// True when the request says that it has none.
    pub fn is_empty(&self, headers: &HeaderMap) -> bool {
        !headers.contains_key(TRANSFER_ENCODING) && length(headers).unwrap_or(0) == 0
    }

    /// Reads it as a row.
    pub async fn row(self, headers: &HeaderMap, bounds: Bounds) -> Result<RowBody, Problem> {
        let bytes = self.json(headers, bounds).await?;
        RowBody::parse(&bytes).map_err(|told| Problem::new(StatusCode::BAD_REQUEST, "bad_json", told))
    }

    /// Reads it as it is, if it is sent as JSON.
    pub async fn json(self, headers: &HeaderMap, bounds: Bounds) -> Result<BytesMut, Problem> {
        if !is_json(headers) {
            let detail = "the body must be JSON, sent with Content-Type: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        self.bytes(headers, bounds).await
    }

    async fn bytes(mut self, headers: &HeaderMap, bounds: Bounds) -> Result<BytesMut, Problem> {
        let Bounds { limit, wait } = bounds;
        if length(headers).is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
            return Err(too_large(limit));
        }
        let reading = async {
            let mut bytes = BytesMut::new();
            while let Some(chunk) = self.0.try_next().await.map_err(|_| broken_off())? {
                if bytes.len() + chunk.len() > limit {
                    return Err(too_large(limit));
                }
                bytes.unsplit(chunk);
            }
            Ok(bytes)
        };
        timeout(wait, reading).await.unwrap_or_else(|_| {
            let detail = format!("the body did not arrive within {} seconds", wait.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail).with_header(CONNECTION, "close"))
        })
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Problem {
    let (size, unit) = if limit < 1 << 20 { (limit >> 10, "KiB") } else { (limit >> 20, "MiB") };
    let detail = format!("a body may have up to {size} {unit}");
    // What was sent and not read is in the way of the next request.
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail).with_header(CONNECTION, "close")
}

fn broken_off() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_json", "the body broke off").with_header(CONNECTION, "close")
}

/// `application/json`, in UTF-8 where it says so.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (values.next().map(|value| value.to_str()), values.next()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.all(|part| match part.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
                value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures::stream;
    use warp::Reply;
    use warp::http::HeaderValue;

    fn json(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn chunks(chunks: &[&'static [u8]]) -> Incoming {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        Incoming::new(stream::iter(chunks))
    }

    const SMALL: Bounds = Bounds { limit: 10, wait: Duration::from_secs(3) };

    async fn status(incoming: Incoming, headers: &HeaderMap) -> u16 {
        incoming.row(headers, SMALL).await.unwrap_err().into_response().status().as_u16()
    }

    #[test]
    fn the_media_type_is_json_in_utf8() {
        for (value, good) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/json;charset=\"UTF-8\"; x=y", true),
            ("application/json; charset=latin1", false),
            ("text/plain", false),
            ("application/jsonx", false),
            ("", false),
        ] {
            assert_eq!(is_json(&json(&[("content-type", value)])), good, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn chunks_are_put_together() {
        let row = chunks(&[b"{\"a\"", b":", b"1}"]).row(&json(&[]), SMALL).await.unwrap();
        assert_eq!(row.get("a"), Some("1"));
    }

    #[tokio::test]
    async fn too_much_is_refused_before_it_is_read() {
        let never = || Incoming::new(stream::pending::<Result<Bytes, warp::Error>>());
        assert_eq!(status(never(), &json(&[("content-length", "11")])).await, 413);
        assert_eq!(status(chunks(&[b"{\"a\":", b"123456}"]), &json(&[])).await, 413);
        assert_eq!(status(chunks(&[b"{}"]), &HeaderMap::new()).await, 415);
        assert!(never().is_empty(&json(&[("content-length", "0")])) && never().is_empty(&json(&[])));
        assert!(!never().is_empty(&json(&[("transfer-encoding", "chunked")])));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let never = Incoming::new(stream::pending::<Result<Bytes, warp::Error>>());
        assert_eq!(status(never, &json(&[("content-length", "5")])).await, 408);
    }
}
