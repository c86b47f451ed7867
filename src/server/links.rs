//! The short links' paths: `POST /s` leaves a ticket, `GET /s/<id>` takes it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{Extension, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{http::Arrival, hub::Hub, metrics::Cause, now, page};

mod store;

use store::{LinkId, Links, NoRoom, TICKET_LIMIT};

/// How long a ticket may take to arrive: 10 s.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// All tickets that wait.
#[derive(Debug)]
pub(super) struct Shelf(Mutex<Links>);

impl Shelf {
    /// Room for so many.
    pub(super) fn new(limit: usize) -> Self {
        Self(Mutex::new(Links::new(limit)))
    }

    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.lock().count(now())
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a ticket in, and tells where it can be had.
pub(super) async fn leave(
    State(hub): State<Arc<Hub>>,
    Extension(arrival): Extension<Arrival>,
    request: Request,
) -> Response {
    if request.method() != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], "Only POST.\n").into_response();
    }
    let ticket = match receive(request.into_body()).await {
        Ok(ticket) => ticket,
        Err(refusal) => {
            hub.metrics.refused(Cause::Request);
            return refusal.into_response();
        }
    };
    // Drawn before the lock: with 2^40 ids, the second is there for form's sake.
    let mut draws = [[0; 5]; 2];
    if draws.iter_mut().any(|draw| getrandom::fill(draw).is_err()) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kept = hub.links.lock().keep(now(), arrival.peer, ticket, draws);
    match kept {
        Ok(id) => {
            let headers =
                [(header::LOCATION, format!("/s/{id}")), (header::CONTENT_TYPE, "application/json".to_owned())];
            (StatusCode::CREATED, headers, format!("{{\"id\":\"{id}\"}}\n")).into_response()
        }
        Err(no_room) => {
            hub.metrics.refused(Cause::Links);
            refuse(no_room)
        }
    }
}

fn refuse(no_room: NoRoom) -> Response {
    let (status, why, wait) = match no_room {
        NoRoom::Full(wait) => (StatusCode::SERVICE_UNAVAILABLE, "There is no room for another link just now.\n", wait),
        NoRoom::TooMany(wait) => (StatusCode::TOO_MANY_REQUESTS, "This address has too many links that wait.\n", wait),
    };
    let seconds = wait.as_secs_f64().ceil().to_string();
    (status, [(header::RETRY_AFTER, seconds)], why).into_response()
}

/// The whole ticket, if it is neither too long nor too slow.
async fn receive(body: Body) -> Result<Bytes, (StatusCode, [(header::HeaderName, &'static str); 1], &'static str)> {
    // What is left unread would be taken for the next request.
    let refusal = |status, why| Err((status, [(header::CONNECTION, "close")], why));
    let too_long = || refusal(StatusCode::PAYLOAD_TOO_LARGE, "A link has at most 2048 bytes.\n");
    if body.size_hint().lower() > TICKET_LIMIT as u64 {
        return too_long();
    }
    match tokio::time::timeout(BODY_LIMIT, to_bytes(body, TICKET_LIMIT)).await {
        Ok(Ok(ticket)) if ticket.is_empty() => refusal(StatusCode::BAD_REQUEST, "There is no link in this.\n"),
        Ok(Ok(ticket)) => Ok(ticket),
        Ok(Err(_)) => too_long(), // Or the connection broke, and nobody hears this.
        Err(_) => refusal(StatusCode::REQUEST_TIMEOUT, "That took too long.\n"),
    }
}

/// Gives a ticket away; to a browser that shows pages, the page, which takes the ticket by itself.
pub(super) async fn take(State(hub): State<Arc<Hub>>, Path(id): Path<String>, request: Request) -> Response {
    let mut response = if shows_pages(request.headers()) {
        page::index(&request)
    } else {
        let id = id.parse::<LinkId>().ok();
        if request.method() == Method::HEAD { look(&hub.links, id) } else { hand_out(&hub.links, id) }
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn hand_out(links: &Shelf, id: Option<LinkId>) -> Response {
    match id.and_then(|id| links.lock().take(now(), id)) {
        Some(ticket) => ([TICKET_TYPE], ticket).into_response(),
        None => nothing(),
    }
}

fn look(links: &Shelf, id: Option<LinkId>) -> Response {
    match id.and_then(|id| links.lock().look(now(), id)) {
        Some(length) => ([TICKET_TYPE], [(header::CONTENT_LENGTH, length.to_string())]).into_response(),
        None => nothing(),
    }
}

const TICKET_TYPE: (header::HeaderName, &str) = (header::CONTENT_TYPE, "application/octet-stream");

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "There is no such link, or it was used or has expired.\n").into_response()
}

/// Whether the client asks for a page, as a browser does for what it is to show.
fn shows_pages(headers: &HeaderMap) -> bool {
    let is_html = |part: &str| {
        let mut parts = part.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"));
        is_html && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    };
    headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(|v| v.split(',').any(is_html))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_shows_pages_is_told_by_what_it_accepts() {
        for (accept, is) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, Text/HTML; q=0.1", true),
            ("*/*", false),
            ("text/*", false),
            ("text/html;q=0", false),
            ("text/htmlx", false),
            ("application/octet-stream", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(shows_pages(&headers), is, "{accept}");
        }
        assert!(!shows_pages(&HeaderMap::new()));
    }
}
