//! The switchboard's rooms: who enters, who leaves, and what members say to each other.

use std::sync::Arc;

use super::{Connection, ConnectionId, Output, Place, Switchboard};
use crate::{
    ids::{PeerUid, RoomId},
    rendezvous::{Refusal, Request, ServerLine},
};

impl Switchboard {
    pub(super) fn enter(&mut self, from: ConnectionId, uid: &Arc<PeerUid>, room: RoomId) {
        let room = match self.rooms.get_key_value(&room) {
            Some((room, members)) if members.len() >= self.limits.room => {
                let name = room.to_string();
                self.turned_away += 1;
                return self.refuse(from, Refusal::RoomFull(&name));
            }
            Some((room, _)) => room.clone(),
            None => Arc::new(room),
        };
        self.send(from, &ServerLine::RoomOk(self.members(&room, from)));
        self.broadcast(&room, &ServerLine::RoomPeerJoined(uid.as_ref().clone()));
        self.put(from, Place::Room(room.clone()));
        self.rooms.entry(room).or_default().push(from);
    }

    pub(super) fn hear_in_room(&mut self, from: ConnectionId, uid: &Arc<PeerUid>, room: &Arc<RoomId>, text: &str) {
        match Request::parse(text) {
            Request::RoomPeerMsg { to, text } => match self.find(to) {
                None => self.refuse(from, Refusal::PeerNotFound(to)),
                Some((other, Place::Room(there))) if there == room => {
                    let from = uid.as_ref().clone();
                    self.send(other, &ServerLine::RoomPeerMsg { from, text: text.to_owned() });
                }
                Some(_) => self.refuse(from, Refusal::PeerNotInRoom(to)),
            },
            Request::RoomPeerList => self.send(from, &ServerLine::RoomPeerList(self.members(room, from))),
            Request::Hello(_) | Request::Session(_) | Request::Room(_) | Request::Other => {
                self.refuse(from, Refusal::AlreadyInRoom);
            }
        }
    }

    fn members(&self, room: &Arc<RoomId>, asker: ConnectionId) -> Vec<PeerUid> {
        let members = self.rooms.get(room).into_iter().flatten().filter(|&&member| member != asker);
        members
            .filter_map(|member| match self.connections.get(member)? {
                Connection::Registered { uid, .. } => Some(uid.as_ref().clone()),
                Connection::Unregistered { .. } | Connection::Waiting { .. } => None,
            })
            .collect()
    }

    pub(super) fn leave(&mut self, id: ConnectionId, uid: &Arc<PeerUid>, room: &Arc<RoomId>) {
        let Some(members) = self.rooms.get_mut(room) else { return };
        members.retain(|&member| member != id);
        if members.is_empty() {
            self.rooms.remove(room);
        } else {
            self.broadcast(room, &ServerLine::RoomPeerLeft(uid.as_ref().clone()));
        }
    }

    fn broadcast(&mut self, room: &Arc<RoomId>, line: &ServerLine) {
        let text: Arc<str> = line.to_string().into();
        for &to in self.rooms.get(room).into_iter().flatten() {
            self.outputs.push_back(Output::Send { to, text: text.clone(), relayed: false });
        }
    }
}
