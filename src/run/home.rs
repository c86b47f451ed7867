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
    Here {
        server: Box<Server>,
        options: Box<server::Options>,
    },
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
                // The links that were shown lead to this port, whatever port was asked for.
                let options = Box::new(server::Options { port: server.port(), ..own.clone() });
                (Place::Here { server: Box::new(server), options }, urls)
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

    /// Starts a server here if the shared one has ended, whose port is free then, or if the own one has.
    ///
    /// Says what its user has to know.
    pub(super) fn revive(&mut self) -> Option<String> {
        let (options, has_failed) = match &self.place {
            Place::Here { server, .. } if server.is_running() => return None,
            Place::Here { options, .. } => (options.clone(), true),
            Place::Shared(options) => (options.clone(), false),
            Place::Elsewhere => return None,
        };
        self.place = Place::Shared(options.clone()); // The dead one's port is free from here on.
        let started = Server::start(options.as_ref().clone());
        let said = match &started {
            _ if !has_failed => None,
            Ok(_) => Some(format!("{}; it was started again", ServerError::Ended)),
            Err(error) => Some(format!("{}, and does not start again: {error}", ServerError::Ended)),
        };
        if let Ok(server) = started {
            self.place = Place::Here { server: Box::new(server), options };
        }
        said
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
        matches!(self.place, Place::Here { .. })
    }
}

fn origin(url: &Url) -> Result<Origin, Error> {
    Ok(url.as_str().parse()?)
}
