//! Where a conversation meets: at a server of its own, at that of another twocan here, or elsewhere.

use url::Url;

use super::Error;
use crate::{
    invite::Origin,
    server::{self, Server, ServerError, Urls, is_twocan},
};

/// The server of a conversation.
pub(super) struct Home {
    place: Place,
    connect: Origin,
    /// The address for other machines first.
    link: Origin,
}

enum Place {
    /// Inside this program.
    Here(#[expect(dead_code, reason = "runs for as long as it is held")] Box<Server>),
    /// Inside another twocan on this machine; when that one ends, this one takes its place.
    Shared(Box<server::Options>),
    Elsewhere,
}

impl Home {
    /// Uses the given server, or starts one, or shares the one that listens on the port already.
    pub(super) fn open(server: Option<Origin>, own: &server::Options) -> Result<Self, Error> {
        if let Some(origin) = server {
            return Ok(Self { place: Place::Elsewhere, connect: origin.clone(), link: origin });
        }
        let (place, urls) = match Server::start(own.clone()) {
            Ok(server) => {
                let urls = server.urls().clone();
                (Place::Here(Box::new(server)), urls)
            }
            Err(ServerError::PortTaken { port }) if is_twocan(port) => {
                let urls = Urls::of(&own.listen, port)?;
                (Place::Shared(Box::new(own.clone())), urls)
            }
            Err(error) => return Err(error.into()),
        };
        let link = urls.network.first().unwrap_or(&urls.here);
        Ok(Self { place, connect: origin(&urls.here)?, link: origin(link)? })
    }

    /// Starts a server here if the shared one has ended; its port is free then.
    pub(super) fn revive(&mut self) {
        if let Place::Shared(options) = &self.place
            && let Ok(server) = Server::start(options.as_ref().clone())
        {
            self.place = Place::Here(Box::new(server));
        }
    }

    /// Where this program connects to.
    pub(super) fn connect_origin(&self) -> &Origin {
        &self.connect
    }

    /// Where the other side's link leads.
    pub(super) fn link_origin(&self) -> Origin {
        self.link.clone()
    }

    /// The page's address for a browser on this machine.
    pub(super) fn page(&self) -> &Origin {
        &self.connect
    }

    /// Whether the server runs inside this program.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.place, Place::Here(_))
    }
}

fn origin(url: &Url) -> Result<Origin, Error> {
    Ok(url.as_str().parse()?)
}
