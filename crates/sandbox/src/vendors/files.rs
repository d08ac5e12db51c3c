//! Files of any size, the same bytes at each request: attachments by URL.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use serde::Deserialize;

use crate::http::App;

const DEFAULT_SIZE: usize = 1_024;
/// Enough to overrun any sensible limit, small enough to make in memory.
const MAX_SIZE: usize = 64 * 1024 * 1024;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/files/{name}", get(file))
}

#[derive(Deserialize)]
struct Wanted {
    size: Option<usize>,
}

async fn file(Path(name): Path<String>, Query(wanted): Query<Wanted>) -> Response {
    let size = wanted.size.unwrap_or(DEFAULT_SIZE);
    if size > MAX_SIZE {
        return (StatusCode::BAD_REQUEST, format!("size is at most {MAX_SIZE}\n")).into_response();
    }
    ([(header::CONTENT_TYPE, content_type(&name))], Body::from(content(&name, size))).into_response()
}

/// The bytes of a file: what follows depends on the name alone, so a larger size begins like a smaller one.
pub(crate) fn content(name: &str, size: usize) -> Bytes {
    // FNV-1a over the name seeds a xorshift; neither needs to be unpredictable.
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    bytes.extend_from_slice(magic(name));
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn content_type(name: &str) -> &'static str {
    match extension(name) {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "csv" => "text/csv",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn magic(name: &str) -> &'static [u8] {
    match extension(name) {
        "pdf" => b"%PDF-1.7\n",
        "png" => b"\x89PNG\r\n\x1a\n",
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::content;

    #[test]
    fn a_file_has_the_same_bytes_each_time_and_other_names_have_others() {
        assert_eq!(content("teklif.pdf", 5_000), content("teklif.pdf", 5_000));
        assert_eq!(content("teklif.pdf", 5_000)[..100], content("teklif.pdf", 100)[..]);
        assert_ne!(content("a.bin", 100), content("b.bin", 100));
        assert!(content("teklif.pdf", 100).starts_with(b"%PDF"));
        assert_eq!(content("a.pdf", 3).len(), 3);
        assert!(content("a.pdf", 0).is_empty());
    }
}
