//! Style sheet, scripts and fonts, inside the binary. Their address holds a hash of all of them, so that browsers keep
//! them for ever and still get new ones with a new version.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::error::AppError;
use crate::tokens::TokenHash;

#[derive(RustEmbed)]
#[folder = "src/web/static/"]
struct Files;

/// Changes with any of the files.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let all: String = Files::iter()
        .filter_map(|name| Some((name.clone(), Files::get(&name)?.metadata.sha256_hash())))
        .map(|(name, hash)| format!("{name}{hash:?}"))
        .collect();
    TokenHash::of(&all).as_bytes().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
});

/// The address of a file, such as `app.css`, below the server's own.
pub(super) fn address(name: &str) -> String {
    format!("/a/{}/{name}", *HASH)
}

pub(super) async fn serve(Path((_, name)): Path<(String, String)>) -> Response {
    let Some(file) = Files::get(&name) else { return AppError::not_found().into_response() };
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, file.data).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_and_scripts_keep_to_their_budget() {
        let size = |name: &str| Files::get(name).map_or(0, |file| file.data.len());
        assert!((1..=40_000).contains(&size("app.css")), "{}", size("app.css"));
        let scripts = ["htmx.min.js", "hx-sse.min.js", "app.js"].map(size);
        assert!(
            scripts.iter().all(|size| *size > 0) && scripts.iter().sum::<usize>() <= 60_000,
            "{scripts:?}"
        );
    }

    #[test]
    fn no_file_asks_another_host_for_anything() {
        for name in ["app.css", "app.js"] {
            let file = Files::get(name).expect("it is there");
            let text = String::from_utf8_lossy(&file.data);
            assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
        }
    }
}
