//! Whose pages may use the server: a browser says in the `Origin` header which site a page is of.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use url::Url;

use super::{http, settings::Origins};

/// Whether whoever asks may: no page of a browser, a page of this server, or one of a site that is allowed.
pub(super) fn is_allowed(headers: &HeaderMap, origins: &Origins) -> bool {
    let mut named = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = named.next() else {
        // Some requests of pages have none.
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        return site.is_none_or(|site| site == b"same-origin" || site == b"none");
    };
    match (origins, named.next(), origin.to_str()) {
        (Origins::Any, _, _) => true,
        (Origins::Listed(listed), None, Ok(origin)) => {
            is_of_host(origin, http::host(headers))
                || origin.parse::<crate::invite::Origin>().is_ok_and(|origin| listed.contains(&origin))
        }
        (Origins::Listed(_), _, _) => false,
    }
}

/// The headers that let the page that asks read the answer, if it is of a site that is allowed.
pub(super) fn readable_by(request: &Request, origins: &Origins) -> Vec<(HeaderName, HeaderValue)> {
    let path = request.uri().path();
    let is_shared = matches!(path, "/ice" | "/s") || path.starts_with("/s/");
    let origin = request.headers().get(header::ORIGIN).filter(|_| is_shared && is_allowed(request.headers(), origins));
    let headers = |origin: &HeaderValue| {
        vec![(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()), (header::VARY, HeaderValue::from_static("origin"))]
    };
    origin.map(headers).unwrap_or_default()
}

/// Whether a page of that origin came from the host that is asked; http or https, for TLS may end before the server.
fn is_of_host(origin: &str, host: Option<&str>) -> bool {
    let Some((origin, host)) = Url::parse(origin).ok().zip(host) else { return false };
    let asked = Url::parse(&format!("{}://{host}", origin.scheme()));
    matches!(origin.scheme(), "http" | "https") && asked.is_ok_and(|asked| asked.origin() == origin.origin())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &str, origins: &[&str], listed: &Origins) -> bool {
        let mut headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        is_allowed(&headers, listed)
    }

    #[test]
    fn a_page_of_this_server_and_no_page_at_all_are_allowed() {
        let nobody = Origins::Listed(Vec::new());
        for (site, is) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
            let headers = HeaderMap::from_iter([("sec-fetch-site".parse().unwrap(), site.parse().unwrap())]);
            assert_eq!(is_allowed(&headers, &nobody), is, "{site}");
        }
        for (host, origins, is) in [
            ("talk.example:8443", &[][..], true),
            ("talk.example:8443", &["https://talk.example:8443"], true),
            ("TALK.example:8443", &["https://talk.example:8443"], true),
            ("talk.example:443", &["https://talk.example"], true),
            ("talk.example", &["https://talk.example"], true),
            ("[::1]:8443", &["http://[::1]:8443"], true),
            ("talk.example:8443", &["https://talk.example"], false),
            ("talk.example:8443", &["https://evil.example:8443"], false),
            ("talk.example:8443", &["https://talk.example:8443.evil.example"], false),
            ("talk.example:8443", &["null"], false),
            ("talk.example:8443", &["file://"], false),
            ("talk.example:8443", &["https://talk.example:8443", "https://evil.example"], false),
            ("a b", &["https://a"], false),
        ] {
            assert_eq!(allowed(host, origins, &nobody), is, "{origins:?} at {host}");
        }
    }

    #[test]
    fn other_sites_are_allowed_by_name_or_all_together() {
        let site = |name: &str| name.parse::<crate::invite::Origin>().unwrap();
        let listed = Origins::Listed(vec![site("https://site.example"), site("http://other.example:81")]);
        for (origin, is) in [
            ("https://site.example", true),
            ("http://other.example:81", true),
            ("http://site.example", false),
            ("https://sub.site.example", false),
            ("null", false),
        ] {
            assert_eq!(allowed("talk.example", &[origin], &listed), is, "{origin}");
            assert!(allowed("talk.example", &[origin], &Origins::Any));
        }
    }
}
