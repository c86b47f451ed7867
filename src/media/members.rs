//! The thread that makes, connects and tears down a room's members: one connection for each, two while it changes over.

use std::thread::JoinHandle;

use super::{
    Event, Far, MediaError, OfferedServers, Options,
    description::{Layout, layout, parse},
    gate,
    relay::Need,
    session::{Command, Commands, Inbox, address, begin, spawn, with_offered},
    studio::{Member, Studio},
};
use crate::{
    call::{Connection, MediaCommand, MediaEvent},
    rt::Sender,
};

/// Starts the thread; it begins with choosing the devices.
pub(super) fn start(
    options: Options,
    gate: gate::Handle,
    events: Sender<Event>,
) -> std::io::Result<(Commands, JoinHandle<()>)> {
    spawn(events.clone(), move |inbox| Worker::new(options, gate, events).map(|worker| worker.run(inbox)))
}

struct Worker {
    options: Options,
    offered: OfferedServers,
    need: Need,
    gate: gate::Handle,
    events: Sender<Event>,
    // Before the studio: what members share is torn down last.
    members: Vec<(Connection, Member)>,
    studio: Studio,
}

impl Worker {
    fn new(options: Options, gate: gate::Handle, events: Sender<Event>) -> Result<Self, MediaError> {
        let (ends, inventory) = begin(&options, &events)?;
        let (studio, devices) = Studio::new(&ends, gate.passes(), &events)?;
        gate.attach(devices);
        let _ = events.try_send(Event::Ready(inventory));
        let (offered, need) = (OfferedServers::default(), Need::of(&options));
        Ok(Self { options, offered, need, gate, events, members: Vec::new(), studio })
    }

    fn run(mut self, inbox: &Inbox) {
        loop {
            match inbox.next() {
                Command::Call(connection, command) => {
                    if let Err(error) = self.carry_out(&connection, command) {
                        let _ = self.events.try_send(Event::Call(connection, MediaEvent::Failed(error.to_string())));
                    }
                }
                Command::Offered(servers) => {
                    self.need.answered(&servers, &self.events);
                    self.offered = servers;
                }
                Command::Stop => break,
            }
        }
        self.members.clear();
        self.gate.detach();
    }

    fn carry_out(&mut self, connection: &Connection, command: MediaCommand) -> Result<(), MediaError> {
        match command {
            MediaCommand::Offer => self.begin(connection, Layout::OFFERED)?.peer.offer(),
            MediaCommand::Answer(offer) => {
                let parsed = parse(&offer, Far::Stock)?;
                self.begin(connection, layout(&parsed))?.peer.answer(&offer)
            }
            MediaCommand::TakeAnswer(answer) => {
                self.member(connection).map_or(Ok(()), |member| member.peer.take_answer(&answer))
            }
            MediaCommand::AddCandidate(candidate) => {
                self.member(connection).into_iter().for_each(|member| member.peer.add_candidate(&candidate));
                Ok(())
            }
            MediaCommand::SendData(text) => {
                self.member(connection).into_iter().for_each(|member| member.peer.send_data(&text));
                Ok(())
            }
            MediaCommand::Close => {
                self.members.retain(|(of, _)| of != connection);
                self.studio.set_occupied(!self.members.is_empty());
                Ok(())
            }
        }
    }

    fn begin(&mut self, connection: &Connection, layout: Layout) -> Result<&mut Member, MediaError> {
        let options = Options { far: Far::Stock, ..with_offered(&self.options, &self.offered, address(&self.options)) };
        let member = self.studio.member(&options, layout)?;
        member.peer.assign(connection.clone());
        self.members.retain(|(of, _)| of != connection);
        self.studio.set_occupied(true);
        self.members.push((connection.clone(), member));
        self.member(connection).ok_or(MediaError::Gone)
    }

    fn member(&mut self, connection: &Connection) -> Option<&mut Member> {
        self.members.iter_mut().find(|(of, _)| of == connection).map(|(_, member)| member)
    }
}
