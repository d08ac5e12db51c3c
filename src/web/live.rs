//! `/app/live/…`: pages that are open hear what changed, by server-sent events. Rows are replaced where they stand;
//! what is new waits above the list until the reader asks for it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::{Stream, stream};
use maud::{Markup, html};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::deliveries::Wanted;
use super::delivery_parts::{look, row};
use super::icons;
use super::texts::t;
use super::visitor::{Asked, Visitor};
use crate::api::extract::Page;
use crate::app::AppState;
use crate::delivery::manage;
use crate::error::AppResult;
use crate::ids::DeliveryId;
use crate::live::follow;

/// Then the browser connects anew and shows again who it is.
const LASTS: Duration = Duration::from_secs(600);
/// More rows than a page has are not followed.
const MOST_ROWS: usize = 50;
/// More new ones than this are told as "many".
const MOST_NEWS: i64 = 99;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/app/live/deliveries", get(deliveries))
}

/// What a page shows, and what it has been told.
struct Follower {
    v: Visitor,
    wanted: Wanted,
    rows: Vec<DeliveryId>,
    /// How each row looks on the page; empty until the first look.
    looks: HashMap<DeliveryId, u64>,
    seen: Option<u64>,
    news: i64,
    changes: watch::Receiver<u64>,
    until: Instant,
    is_first: bool,
}

async fn deliveries(v: Visitor, Asked(query): Asked) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let rows = query.get("rows").unwrap_or_default().split(',').filter_map(|id| id.parse().ok());
    let follower = Follower {
        changes: follow(&v.app, v.session.company),
        rows: rows.take(MOST_ROWS).collect(),
        looks: HashMap::new(),
        seen: query.get("seen").and_then(|seen| u64::from_str_radix(seen, 16).ok()),
        news: 0,
        until: Instant::now() + LASTS,
        is_first: true,
        wanted: Wanted(query),
        v,
    };
    let stream = stream::unfold(follower, |mut follower| async move {
        loop {
            if !follower.wait().await {
                return None;
            }
            match follower.look().await {
                Ok(html) if !html.is_empty() => return Some((Ok(Event::default().data(html)), follower)),
                Ok(_) => {}
                // The database is away: the browser comes back when it is there again.
                Err(_) => return None,
            }
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
}

impl Follower {
    /// Until something changed; false when the stream is over.
    async fn wait(&mut self) -> bool {
        if std::mem::take(&mut self.is_first) {
            return true;
        }
        matches!(timeout_at(self.until, self.changes.changed()).await, Ok(Ok(())))
    }

    /// What the page has to be told now, as HTML; empty when nothing.
    async fn look(&mut self) -> AppResult<String> {
        let now = manage::of_ids(&self.v.app, &self.v.setup, self.rows.clone()).await?;
        let looks: HashMap<_, _> =
            now.iter().map(|delivery| (delivery.id, look(&self.v, delivery))).collect();
        let seen = now.iter().fold(0_u64, |seen, delivery| {
            seen.rotate_left(1) ^ looks.get(&delivery.id).copied().unwrap_or_default()
        });
        let was_seen = self.seen.take() == Some(seen);
        let changed = now
            .iter()
            .filter(|delivery| !was_seen && self.looks.get(&delivery.id) != looks.get(&delivery.id));
        let mut html = String::new();
        for delivery in changed {
            let target = format!("#row-{}", delivery.id);
            html.push_str(&partial(&target, "outerMorph", &row(&self.v, delivery)));
        }
        self.looks = looks;
        let news = self.count_news().await?;
        if news != self.news {
            self.news = news;
            html.push_str(&partial("#news", "innerHTML", &self::news(&self.v, &self.wanted, news)));
        }
        Ok(html)
    }

    async fn count_news(&self) -> AppResult<i64> {
        let page = Page { after: None, limit: MOST_NEWS };
        let newest = manage::list(&self.v.app, &self.v.setup, self.wanted.query(&self.v), page).await?;
        let top = self.rows.first();
        let above = newest.items.iter().take_while(|delivery| top.is_none_or(|top| delivery.id.0 > top.0));
        Ok(i64::try_from(above.count()).unwrap_or(MOST_NEWS))
    }
}

fn partial(target: &str, swap: &str, inner: &Markup) -> String {
    html! { hx-partial hx-target=(target) hx-swap=(swap) { (inner) } }.into_string()
}

/// The way to what is new; nothing when nothing is.
pub(super) fn news(v: &Visitor, wanted: &Wanted, count: i64) -> Markup {
    html! {
        @if count > 0 {
            a.newpill href=(v.to(&wanted.address("/app/deliveries", &[]))) {
                (icons::ARROW_UP)
                @if count < MOST_NEWS { (t!(v, "news", count = count)) } @else { (t!(v, "news-many")) }
            }
        }
    }
}
